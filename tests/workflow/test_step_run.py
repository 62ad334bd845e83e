import pytest

from cnn_mellin.workflow.recipe_step import Step
from cnn_mellin.workflow.step_record import StepRecords
from cnn_mellin.workflow.step_run import StepRunner


def test_a_folder_that_the_recipe_did_not_begin_is_not_deleted(tmp_path):
    model = tmp_path / "models" / "lcorr"
    model.mkdir(parents=True)
    (model / "model.json").write_text("precious")
    records = StepRecords(tmp_path)
    (tmp_path / "logs").mkdir()
    runner = StepRunner(records, None)  # type: ignore[arg-type]  # no step is run
    step = Step("train", "train", ("train",), resumes=("models/lcorr",))
    runner._start_anew_if_changed(step, "of these data")
    assert (model / "model.json").read_text() == "precious"
    runner._start_anew_if_changed(step, "of other data")
    assert (model / "model.json").read_text() == "precious"


@pytest.mark.parametrize("kind", ["begun", "made"])
def test_what_an_earlier_run_began_from_something_else_is_deleted(tmp_path, kind):
    (tmp_path / "models" / "lcorr").mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    records = StepRecords(tmp_path)
    records.write("train", kind, {"from": "of these data"})
    step = Step("train", "train", ("train",), resumes=("models/lcorr",))
    runner = StepRunner(records, None)  # type: ignore[arg-type]  # no step is run
    if kind == "begun":
        runner._start_anew_if_changed(step, "of these data")
        assert (tmp_path / "models" / "lcorr").exists()
    runner._start_anew_if_changed(step, "of other data")
    assert not (tmp_path / "models" / "lcorr").exists()
