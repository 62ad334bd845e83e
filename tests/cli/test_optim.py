import csv
import io
import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings, format_settings, read_settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes
from cnn_mellin.recipe.search_plan import plan_search
from cnn_mellin.search.database_url import resolve_database_url
from cnn_mellin.search.new_study import plan_study
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import create_study

pytestmark = pytest.mark.slow  # all read one search with real trainings

NUM_TRIALS = 6
SEARCHED = ["model.window_stride", "model.convolutional_kernel_time", "training.noise_eps"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with a partition `train` of four speakers, settings `s.ini`, and a finished study `whole`."""
    folder = tmp_path_factory.mktemp("optim")
    write_symbols(folder / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    names = [f"s{i % 4}-u{i:02d}" for i in range(16)]
    with write_partition(folder / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        for name in names:
            writer.add(name, stream.uniform(0, 5, (30, 4)), [0, 1])
    (folder / "ext" / "utt2spk").write_text("".join(f"{name} {name[:2]}\n" for name in names))
    changes = {"recurrent_size": 4, "recurrent_layers": 1, "convolutional_layers": 1, "convolutional_mellin": True}
    changes |= {"convolutional_initial_channels": 4}
    settings = Settings().updated({"model": changes, "training": {"num_epochs": 2}, "data": {"batch_size": 4}})
    (folder / "s.ini").write_text(format_settings(settings))
    options = ["--num-trials", str(NUM_TRIALS), "--pruner", "none", "--num-data-workers", "2"]
    assert optim(folder, "init", str(folder / "train"), "--whitelist", *SEARCHED, *options, name="whole") == 0
    assert optim(folder, "run", "--sampler", "random", name="whole") == 0
    return folder


def optim(folder: Path, *words: str, name: str | None = None) -> int:
    study = [] if name is None else ["--study-name", name]
    return main(["--read-ini", str(folder / "s.ini"), "optim", *study, f"sqlite:///{folder}/studies.db", *words])


def test_all_trials_end_and_the_first_is_the_start(data, capsys):
    assert optim(data, "export", name="whole") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["state"] for row in rows] == ["COMPLETE"] * NUM_TRIALS
    assert [row["num_epochs_reported"] for row in rows] == ["2"] * NUM_TRIALS
    start = Settings()
    assert rows[0]["model.window_stride"] == str(start.model.window_stride)
    assert float(rows[0]["training.noise_eps"]) == start.training.noise_eps
    assert len({row["training.noise_eps"] for row in rows}) == NUM_TRIALS


def test_init_again_changes_nothing_and_names_different_arguments(data, capsys):
    same = ["--whitelist", *SEARCHED, "--pruner", "none", "--num-data-workers", "2"]
    assert optim(data, "init", str(data / "train"), *same, "--num-trials", str(NUM_TRIALS), name="whole") == 0
    assert "nothing has changed" in capsys.readouterr().out
    assert optim(data, "init", str(data / "train"), *same, "--num-trials", "7", name="whole") == 2
    assert "num_trials: 6, not 7" in capsys.readouterr().err


def test_a_range_is_part_of_the_study(data, capsys):
    words = [str(data / "train"), "--whitelist", "training.log10_learning_rate", "--num-trials", "2"]
    command = ["--read-ini", str(data / "ranged.ini"), "optim", f"sqlite:///{data / 'ranged.db'}", "init", *words]
    (data / "ranged.ini").write_text("[training]\nnum_epochs = 1\n")
    given = ["--range", "training.log10_learning_rate", "-3.5", "-2"]
    assert main([*command, *given]) == 0
    assert "training.log10_learning_rate: from -3.5 to -2" in capsys.readouterr().out
    assert main([*command, *given]) == 0
    assert "nothing has changed" in capsys.readouterr().out
    assert main(command) == 2
    assert "training.log10_learning_rate" in capsys.readouterr().err


def test_init_names_kernel_rows_that_cannot_learn(data, capsys):
    settings = data / "dead.ini"
    model = "window_size = 2\nconvolutional_layers = 1\nconvolutional_mellin = True\n"
    settings.write_text(f"[training]\nnum_epochs = 1\n[model]\n{model}")
    command = ["--read-ini", str(settings), "optim", f"sqlite:///{data / 'dead.db'}", "init", str(data / "train")]
    assert main([*command, "--whitelist", "training.noise_eps", "--pruner", "none", "--num-trials", "2"]) == 0
    said = capsys.readouterr().err
    assert "the settings at which the search starts: [model]" in said
    assert "compares three ratios" in said


def test_best_is_pure_settings_and_no_worse_than_the_start(data, capsys, tmp_path):
    assert optim(data, "best", "-", name="whole") == 0
    printed = capsys.readouterr()
    (tmp_path / "printed.ini").write_text(printed.out)
    assert re.search(
        r"those of trial \d, dev PER \d+\.\d\d % \(trial 0, the start of the search: \d+\.\d\d %\)", printed.err
    )
    assert optim(data, "best", str(tmp_path / "best.yaml"), name="whole") == 0
    assert read_settings(tmp_path / "printed.ini") == read_settings(tmp_path / "best.yaml")
    capsys.readouterr()
    assert optim(data, "export", name="whole") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    lowest = min(rows, key=lambda row: float(row["dev_per_percent"]))
    found = read_settings(tmp_path / "best.yaml")
    assert str(found.model.window_stride) == lowest["model.window_stride"]
    assert found.model.convolutional_mellin


def test_settings_changed_by_the_sed_of_the_recipe_are_read(data, capsys, tmp_path):
    assert optim(data, "best", "-", name="whole") == 0
    changed = subprocess.run(
        ["sed", r"s/\(max_.*_mask\)[ ]*=.*/\1 = 10000/g"],
        input=capsys.readouterr().out,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / "train.ini").write_text(changed)
    training = read_settings(tmp_path / "train.ini").training
    assert (training.max_time_mask, training.max_freq_mask) == (10000, 10000)


def test_independent_best_as_a_forced_type(data, capsys, tmp_path):
    assert optim(data, "best", "--independent", str(tmp_path / "best.txt"), "--force-type", "json", name="whole") == 0
    content = json.loads((tmp_path / "best.txt").read_text())
    assert content["model"]["convolutional_mellin"]
    assert 1 <= content["model"]["window_stride"] <= 5


def test_important_settings_are_the_whitelist_of_the_next_study(data, capsys, tmp_path):
    names = []
    for number in range(2):
        assert optim(data, "important", "--top-k=2", str(tmp_path / f"{number}.params"), name="whole") == 0
        names.append((tmp_path / f"{number}.params").read_text().split())
    assert "fANOVA over 6 completed trials" in capsys.readouterr().err
    assert names[0] == names[1]
    assert len(names[0]) == 2
    words = ["--whitelist", *names[0], "--num-trials", "2"]
    assert optim(data, "init", str(data / "train"), *words, name="next") == 0
    printed = capsys.readouterr().out
    assert f"{names[0][0]}:".replace("\\", "") in printed
    assert "searches 2 settings" in printed
    assert (
        optim(data, "init", str(data / "train"), "--whitelist", f"@{tmp_path}/0.params", *words[3:], name="next") == 0
    )
    assert "nothing has changed" in capsys.readouterr().out


def test_important_above_a_threshold(data, capsys):
    assert optim(data, "important", "--threshold", "0.0", name="whole") == 0
    assert len(capsys.readouterr().out.split()) == len(SEARCHED)
    assert optim(data, "important", "--threshold", "1", name="whole") == 2
    assert "no setting reaches it" in capsys.readouterr().err


def test_status_of_all_studies(data, capsys):
    assert optim(data, "status", "--watch", name="whole") == 0  # ends, as nothing is left
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:4] == ["whole", "6", "6", "0"]
    assert line.endswith("done")


def test_pictures(data, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")
    assert optim(data, "plot", str(tmp_path / "p"), name="whole") == 0
    names = {"history.png", "importances.png", "slices.png", "parallel_coordinates.png", "index.html"}
    assert {path.name for path in (tmp_path / "p").iterdir()} == names
    page = (tmp_path / "p" / "index.html").read_text()
    assert page.count("<svg ") == 4
    assert all(name in page for name in SEARCHED)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_axe_finds_no_fault_in_the_page_of_pictures(data, tmp_path, browser, axe, width, dark):
    pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")
    assert optim(data, "plot", str(tmp_path / "p"), name="whole") == 0
    browser.show(tmp_path / "p" / "index.html", width=width, dark=dark)
    browser.value(f"{axe};1")
    assert browser.value("axe.run().then(r => r.violations.map(v => v.id))") == []
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_only_results_of_the_same_command_are_replaced(data, capsys, tmp_path):
    for action in ("best", "important", "export"):
        for _ in range(2):
            assert optim(data, action, str(tmp_path / action), name="whole") == 0
    (tmp_path / "index.html").write_text("<p>precious")
    (tmp_path / "s.ini").write_text("[model]\nseed = 1\n")
    for action, out, message in (
        ("best", "export", "exists and is not a settings file that was written by a command; name another file"),
        ("best", "s.ini", "exists and is not a settings file that was written by a command"),
        ("important", "best", "exists and is not a list of settings"),
        ("export", "important", "exists and is not a table of trials"),
        ("plot", "", "exists and is not a page of pictures"),
    ):
        if action == "plot":
            pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        capsys.readouterr()
        assert optim(data, action, str(tmp_path / out), name="whole") == 2
        assert f"cnn-mellin: {tmp_path / (out or 'index.html')}: {message}" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


SIZE = ["--whitelist", "model.window_size"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dev-proportion", "1"], "--dev-proportion 1.0: must lie between 0 and 1"),
        (["--num-trials", "0"], "--num-trials 0: must be at least 1"),
        (["--whitelist", "model.windw_size"], "matches no setting"),
        (["--blacklist", "("], "is not a regular expression"),
        (["--blacklist", ".*"], "leaves no setting to search"),
        (["--whitelist", "@nowhere"], "--whitelist @nowhere: cannot be read"),
        (["--mem-limit-bytes", "0"], "--mem-limit-bytes 0: must be at least 1"),
        (
            ["--range", "model.window_size", "1", "many"],
            "--range model.window_size 1 many: LOW and HIGH must be numbers",
        ),
        ([*SIZE, "--range", "model.seed", "1", "2"], "--range model.seed: is not searched"),
        (
            [*SIZE, "--range", "model.window_size", "9", "8"],
            "--range model.window_size 9 8: the lowest value must not be",
        ),
        (2 * ["--range", "model.window_size", "1", "2"], "--range model.window_size: is given twice"),
    ],
)
def test_wrong_arguments_of_init_write_nothing(data, capsys, tmp_path, words, message):
    url = f"sqlite:///{tmp_path}/new.db"
    assert main(["optim", url, "init", str(data / "train"), *words]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "new.db").exists()


def test_a_training_without_a_stopping_rule_is_refused(data, capsys, tmp_path):
    words = ["init", str(data / "train"), "--whitelist", "model.window_size"]
    assert main(["optim", f"sqlite:///{tmp_path}/new.db", *words]) == 2
    assert "training would never end" in capsys.readouterr().err


def test_an_unknown_device_is_refused(data, capsys, tmp_path):
    assert main(["--device", "cudo", "optim", f"sqlite:///{tmp_path}/new.db", "init", str(data / "train")]) == 2
    assert "--device cudo: is not a device" in capsys.readouterr().err


def test_an_unknown_study_is_refused(data, capsys):
    assert optim(data, "best", name="whale") == 2
    assert "did you mean 'whole'" in capsys.readouterr().err
    assert main(["optim", f"sqlite:///{data}/nothing.db", "status"]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_settings_that_cannot_matter_leave_the_search_with_a_reason(data, capsys):
    words = ["--blacklist", "training.reduce_lr_threshold", "--num-trials", "1"]
    assert optim(data, "init", str(data / "train"), *words, name="warned") == 0
    printed = capsys.readouterr()
    assert "training.reduce_lr_factor: leaves the search, as training.reduce_lr_threshold is 0.0" in printed.err
    assert "model.convolutional_mellin: stays True" in printed.err
    assert "convolutional_mellin" not in printed.out


def test_a_study_name_that_is_not_an_identifier_writes_nothing(data, capsys, tmp_path):
    command = ["optim", "--study-name", "a b", f"sqlite:///{tmp_path}/new.db", "init", str(data / "train")]
    assert main(command) == 2
    assert "--study-name: study 'a b' has ' '; an identifier has 1 to 200 bytes" in capsys.readouterr().err
    assert not (tmp_path / "new.db").exists()


def test_discarding_needs_a_folder(data, capsys):
    assert optim(data, "run", "--discard-ended", name="whole") == 2
    assert "--discard-ended: needs --model-dir FOLDER; a temporary folder" in capsys.readouterr().err


@pytest.mark.soak
def test_a_search_of_the_recipe_resumes_the_trial_of_a_killed_worker_and_keeps_no_training(data, tmp_path):
    sizes = RecipeSizes(num_workers=1)
    options = RecipeOptions("/corpus", "timit", models=("mcorr",), search=True, sizes=sizes)
    steps = {step.name: step for step in plan_search(options, "mcorr", "raw")}
    start = read_settings(data / "s.ini").updated({"training": {"num_epochs": 60}})
    plan, _ = plan_study(start, data / "train", whitelist=["model.window_stride"], num_trials=1, pruner="none")
    with StudyDatabase(resolve_database_url(f"sqlite:///{tmp_path}/search.db"), create=True) as database:
        create_study(database, "model-mcorr-sm-raw", replace(plan, heartbeat_s=0.3))
    command = [sys.executable, "-m", "cnn_mellin.cli.main", *steps["model-mcorr-sm-raw-run1"].arguments]
    with open(tmp_path / "log", "wb") as log:  # lines are flushed as they are printed, although this is not a terminal
        worker = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    while "epoch 5/" not in (tmp_path / "log").read_text():
        assert worker.poll() is None
        time.sleep(0.02)
    worker.kill()
    worker.wait()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    epochs = [int(number) for number in re.findall(r"epoch (\d+)/60", done.stdout)]
    assert epochs == list(range(epochs[0], 61))
    assert epochs[0] >= 5
    assert "completed 1 trials" in done.stdout
    assert list((tmp_path / "search" / "trials" / "model-mcorr-sm-raw").iterdir()) == []


@pytest.mark.soak
def test_a_worker_that_receives_a_signal_hands_its_trial_back(data, tmp_path):
    slow = read_settings(data / "s.ini").updated({"training": {"num_epochs": 3000}})
    (tmp_path / "s.ini").write_text(format_settings(slow))
    url = f"sqlite:///{tmp_path}/studies.db"
    words = ["init", str(data / "train"), "--whitelist", "model.window_stride", "--num-trials", "1"]
    assert main(["--read-ini", str(tmp_path / "s.ini"), "optim", url, *words]) == 0
    command = [sys.executable, "-m", "cnn_mellin.cli.main", "optim", url, "run", "--model-dir", str(tmp_path / "m")]
    seen = []
    for _ in range(2):
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        for line in worker.stdout:
            seen.append(line)
            if "epoch 5/" in line or "epoch 9/" in line:
                worker.terminate()
                break
        rest, errors = worker.communicate(timeout=60)
        assert worker.returncode == 75, errors
        assert "handed back" in rest
        seen += rest.splitlines()
    epochs = [int(line.split("epoch ")[1].split("/")[0]) for line in seen if "epoch " in line and "/3000" in line]
    assert epochs == list(range(1, len(epochs) + 1))  # the second worker resumed where the first stopped
