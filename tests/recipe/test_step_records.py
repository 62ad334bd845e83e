import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords


@pytest.fixture
def records(tmp_path) -> StepRecords:
    (tmp_path / "steps").mkdir()
    return StepRecords(tmp_path)


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("job", b"{", "is not JSON"),
        ("job", b"[" * 100_000, "is nested too deeply"),
        ("job", b"", "is not JSON"),
        ("job", b"[]", "holds a JSON list"),
        ("job", b"\xff\xfe", "is not UTF-8"),
        ("job", b'{"id": 101}', "id is 101, not text"),
        ("job", b'{"began": "now"}', "began is 'now', not a number"),
        ("job", b'{"arguments": "prep"}', "arguments is 'prep', not a list"),
        ("exit", b'{"status": "0"}', "status is '0', not a whole number"),
        ("exit", b"{}", "status is missing"),
        ("start", b'{"began": null}', "began is None, not a number"),
        ("failed", b'{"why": 3}', "why is 3, not text"),
        ("made", b'{"from": "a"}', "products is missing"),
        ("done", b'{"products": []}', "products is [], not an object"),
    ],
)
def test_a_damaged_record_is_named_with_its_remedy(records, kind, content, why):
    records.path("prep", kind).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(why)) as caught:
        records.read("prep", kind)
    message = str(caught.value)
    assert message.startswith(f"{records.path('prep', kind)}:")
    assert "; delete it and run the recipe's command again, which repeats the step" in message


def test_a_record_may_begin_with_a_byte_order_mark_or_be_missing(records):
    assert records.read("prep", "exit") is None
    records.path("prep", "exit").write_bytes(b'\xef\xbb\xbf{"status": 0}\r\n')
    assert records.read("prep", "exit") == {"status": 0}


def test_seconds_of_work_are_recorded_and_change_nothing_else(records):
    step = Step("prep", "prep", ("prep",), products=("a",))
    (records.folder / "a").write_text("x")
    assert records.finish(step, 7.5) == []
    done = Path(records.path("prep", "done")).read_bytes()
    assert records.seconds("prep") == 7.5
    assert records.made_already(step, records.fingerprint(step))
    assert records.finish(step) == []
    assert records.seconds("prep") == 7.5
    records.finish(step, 9.0)
    assert records.path("prep", "done").read_bytes() == done


def test_records_of_earlier_versions_are_read(records):
    step = Step("prep", "prep", ("prep",), products=("a",))
    (records.folder / "a").write_text("x")
    records.finish(step, 1.0)
    made = records.read("prep", "made")
    assert made is not None
    del made["seconds"]
    records.write("prep", "made", made)
    assert records.made_already(step, records.fingerprint(step))
    assert records.seconds("prep") is None


def test_the_fingerprint_depends_on_all_inputs_and_on_nothing_else(records):
    before, step = Step("prep", "prep", ("prep",), products=("a",)), Step("train", "train", ("train",), ("prep",))
    step = replace(step, sources=("a.ini",), state="corpus 1")
    (records.folder / "a").write_text("x")
    (records.folder / "a.ini").write_text("[model]")
    records.finish(before, 1.0)
    first = records.fingerprint(step)
    records.finish(before, 2.0)  # the seconds of work are not an input
    assert records.fingerprint(step) == first
    others = [replace(step, arguments=("train", "x")), replace(step, stdout="b"), replace(step, state="corpus 2")]
    found = {first, *map(records.fingerprint, others)}
    (records.folder / "a.ini").write_text("[training]")
    found.add(records.fingerprint(step))
    (records.folder / "a").write_text("y")
    records.finish(before, 1.0)
    found.add(records.fingerprint(step))
    assert len(found) == 6


def test_a_step_with_missing_products_is_not_recorded_as_done(records):
    step = Step("prep", "prep", ("prep",), products=("a", "b"))
    (records.folder / "a").write_text("x")
    assert records.finish(step, 1.0) == ["b"]
    assert records.read("prep", "done") is None
    assert records.read("prep", "made") is None
    assert not records.made_already(step, records.fingerprint(step))


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_a_changed_or_missing_product_deletes_the_done_record(records, size):
    steps = [Step(name, "prep", ("prep",), products=(f"{name}.npy",)) for name in ("a", "b", "c")]
    for step in steps:
        (records.folder / step.products[0]).write_bytes(bytes(size))
        records.finish(step, 1.0)
    assert records.forget_changed(steps) == []
    (records.folder / "a.npy").write_bytes(bytes([1]) * size)
    os.utime(records.folder / "a.npy", ns=(0, 0))
    (records.folder / "b.npy").unlink()
    assert records.forget_changed(steps) == ["a", "b"]
    assert [records.path(step.name, "done").exists() for step in steps] == [False, False, True]
    assert records.read("a", "made") is not None


def test_steps_made_from_other_inputs_are_to_do_with_those_that_follow(records):
    first = Step("a", "prep", ("prep",), products=("a.txt",))
    second = Step("b", "train", ("train",), ("a",), products=("b.txt",))
    third = Step("c", "decode", ("decode",), ("b",), products=("c.txt",))
    for step in (first, second, third):
        (records.folder / step.products[0]).write_text(step.name)
        records.finish(step, 1.0)
    steps = [first, second, third]
    records.forget_outdated(steps)
    assert records.steps_to_do(steps) == []
    changed = [first, replace(second, arguments=("train", "x")), third]
    records.forget_outdated(changed)
    assert [step.name for step in records.steps_to_do(changed)] == ["b", "c"]
    records.finish(changed[1], 1.0)
    assert [step.name for step in records.steps_to_do(changed)] == ["c"]  # its stamp is older
    records.finish(third, 1.0)
    assert records.steps_to_do(changed) == []


def test_the_plan_is_read_as_it_was_written(records):
    (records.folder / "a.ini").write_text("[model]")
    step = Step("a", "prep", ("prep", "x y"), ("b",), ("p",), "out.txt", ("a.ini",), "state", ("m",), 2)
    records.write_plan([step])
    read = records.step("a")
    assert replace(read, known_digest="") == step
    assert read.digest(Path("/nowhere")) == step.digest(records.folder)
    at = (records.folder / "steps" / "plan.json").stat().st_mtime_ns
    records.write_plan([step])
    assert (records.folder / "steps" / "plan.json").stat().st_mtime_ns == at
    with pytest.raises(DataError, match="its recipe has no step 'b'; choose from a"):
        records.step("b")


@pytest.mark.parametrize("content", ["{", "[]", '{"a": {"name": "a"}}', '{"a": {"name": 1}}'])
def test_a_missing_or_damaged_plan_is_named(records, content):
    with pytest.raises(DataError, match=r"plan.json: does not exist.*run cnn-mellin recipe"):
        records.plan()
    (records.folder / "steps" / "plan.json").write_text(content)
    with pytest.raises(DataError, match=r"plan.json:? "):
        records.plan()


def test_records_are_written_whole_and_deleted_where_they_exist(tmp_path):
    records = StepRecords(tmp_path)
    records.write("a.b-c", "job", {"id": "7"})
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == ["a.b-c.job"]
    records.delete("a.b-c", "job", "exit")
    assert records.read("a.b-c", "job") is None
    assert records.log("a.b-c") == tmp_path / "logs" / "a.b-c.log"
