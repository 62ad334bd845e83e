import re
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
    with pytest.raises(DataError, match=re.escape(why)) as told:
        records.read("prep", kind)
    said = str(told.value)
    assert said.startswith(f"{records.path('prep', kind)}:")
    assert "; delete it and run the recipe's command again, which does the step anew" in said


def test_a_record_may_begin_with_a_byte_order_mark_or_be_missing(records):
    assert records.read("prep", "exit") is None
    records.path("prep", "exit").write_bytes(b'\xef\xbb\xbf{"status": 0}\r\n')
    assert records.read("prep", "exit") == {"status": 0}


def test_the_seconds_of_work_are_kept_and_change_nothing_else(records):
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
