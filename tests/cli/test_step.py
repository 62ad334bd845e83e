"""The command `cnn-mellin step`, which the Snakefile and the profiles call."""

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords


@pytest.fixture
def records(tmp_path, monkeypatch) -> StepRecords:
    """A plan of two steps, in the working directory."""
    records = StepRecords(tmp_path)
    good = Step("good", "settings", ("--print-ini",), products=("out.ini",), stdout="out.ini")
    records.write_plan([good, Step("bad", "settings", ("data", "info", "nowhere"))])
    monkeypatch.chdir(tmp_path)
    return records


def test_a_step_is_run_in_the_folder_of_its_recipe(records, monkeypatch, tmp_path_factory):
    assert main(["step", "run", "good"]) == 0
    assert "window_size" in (records.folder / "out.ini").read_text()
    (records.folder / "out.ini").unlink()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["step", "run", "good", "--exp", str(records.folder)]) == 0
    assert (records.folder / "out.ini").exists()


@pytest.mark.slow
def test_the_status_is_that_of_the_command_and_the_reason_is_one_line(records, capsys):
    assert main(["step", "run", "bad"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("cnn-mellin: bad: ended with status 2: cnn-mellin: nowhere: there is no such folder")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["run"], "step run: needs a NAME"),
        (["status"], "step status: needs a NAME"),
        (["run", "god"], "its recipe has no step 'god'; did you mean 'good'?"),
        (["run", "good", "--exp", "nowhere"], "nowhere/steps/plan.json: does not exist"),
        (["status", "1:good", "--poll-s", "0"], "--poll-s 0: must be above 0, and finite"),
        (["submit", "nowhere.sh"], "nowhere.sh: cannot be read (No such file or directory)"),
        (["check", "--exp", "nowhere"], "nowhere: holds no recipe"),
    ],
)
def test_wrong_arguments_are_named(records, capsys, arguments, why):
    assert main(["step", *arguments]) == 2
    assert why in capsys.readouterr().err


def test_a_step_without_a_job_has_succeeded_once_it_is_done(records, capsys):
    for status in ("failed", "success"):
        assert main(["step", "status", "0:good"]) == 0
        assert capsys.readouterr().out == f"{status}\n"
        assert main(["step", "run", "good"]) == 0
