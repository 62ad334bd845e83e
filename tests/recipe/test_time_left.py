"""Time left of a recipe: from steps of the same stage that are done, and from the logs of running trainings."""

import os
import time

import pytest

from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.time_left import TimeLeft, progress, result, time_left

EPOCH = "epoch 2/8, loss 0.9770, {}learning rate 3.16e-03, 104 utterances/s, {}\n"
STEPS = [
    Step("prep", "prep", ()),
    *(Step(f"train-{seed}", "train", (), needs=("prep",)) for seed in (1, 2, 3, 4)),
    Step("report", "report", ()),
]


@pytest.fixture
def records(tmp_path) -> StepRecords:
    (tmp_path / "logs").mkdir()
    return StepRecords(tmp_path)


def done(records: StepRecords, name: str, seconds: float) -> None:
    records.write(name, "made", {"from": "", "products": {}, "seconds": seconds})
    records.write(name, "done", {"products": {}})


def started(records: StepRecords, name: str, seconds_ago: float, log: str = "") -> None:
    records.write(name, "start", {"began": time.time() - seconds_ago})
    records.log(name).write_text(log)


def test_nothing_is_known_at_the_start_and_nothing_is_left_at_the_end(records):
    assert time_left(records, STEPS, 2) is None
    assert time_left(records, [], 2) is None
    started(records, "prep", 5, "12 utterances\n")
    assert time_left(records, STEPS, 2) is None
    for step in STEPS:
        done(records, step.name, 10)
    assert time_left(records, STEPS, 2) is None


@pytest.mark.parametrize(("parallel", "seconds"), [(1, 270), (2, 135), (3, 100), (0, 270)])
def test_steps_take_as_long_as_those_of_their_stage(records, parallel, seconds):
    done(records, "prep", 7)
    done(records, "train-1", 90)
    done(records, "train-2", 110)
    started(records, "train-3", 30)
    done(records, "report", 3)
    more = [*STEPS, Step("train-5", "train", ())]  # 70 s, 100 s and 100 s: no less than the longest, however many run
    left = time_left(records, more, parallel)
    assert left is not None
    assert left.seconds == pytest.approx(seconds, abs=1)
    assert left.is_whole


def test_an_estimate_that_leaves_out_steps_says_so(records):
    done(records, "prep", 7)
    done(records, "train-1", 100)
    left = time_left(records, STEPS, 1)
    assert left == TimeLeft(300.0, False)
    assert str(left) == "at least 5 min left"
    assert time_left(records, [STEPS[0], STEPS[1], STEPS[5]], 1) is None  # nothing is known about the report
    done(records, "train-1", 1)
    assert time_left(records, STEPS, 1) is None  # "at least 3 s" would say nothing


@pytest.mark.parametrize(("text", "logged"), [("46 s left", 46), ("3 min left", 180)])
def test_a_running_training_says_itself_how_long_it_takes(records, text, logged):
    done(records, "prep", 7)
    started(records, "train-1", 20, EPOCH.format("dev PER 17.02 %, ", text))
    at = time.time() - 6  # when the epoch ended
    os.utime(records.log("train-1"), (at, at))
    left = time_left(records, STEPS[:3], 1)  # the second training takes as long as the first
    assert left is not None
    assert left.seconds == pytest.approx((logged - 6) + 20 + (logged - 6), abs=1)
    started(records, "train-1", 20, EPOCH.format("dev PER 17.02 %, ", text) + "cnn-mellin: left out a batch\n")
    assert time_left(records, STEPS[:3], 1) is None


def test_an_epoch_is_shown_by_its_number_and_phone_error_rate():
    assert progress(EPOCH.format("dev PER 17.02 %, ", "9 s left").strip()) == "epoch 2/8, dev PER 17.02 %"
    assert progress(EPOCH.format("", "9 s left").strip()) == "epoch 2/8"
    for line in ("epoch 2, loss 0.9770, learning rate 3.16e-03, 104 utterances/s", "12 utterances", ""):
        assert progress(line) == line


def test_only_the_end_of_a_training_has_a_result():
    assert result("a/seed1: 8 epochs, the best is 7 (loss 0.123)") == "loss 0.123"
    assert result("total 12.3 % (of 40 phones)") == ""
