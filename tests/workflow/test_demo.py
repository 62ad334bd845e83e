import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.layers import MellinLinearConv2d
from cnn_mellin.scoring.transcripts import read_trn
from cnn_mellin.training import load_model

SMALL = ["--utterances", "40", "--epochs", "3", "--seeds", "1", "2", "--jobs", "2"]


def results(folder: Path) -> dict[str, dict]:
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(folder.glob("models/*/test.json"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    assert main(["--quiet", "demo", str(folder), *SMALL]) == 0
    return folder


def test_table_holds_every_seed_the_mean_and_the_untrained(undisturbed, capsys):
    capsys.readouterr()
    assert main(["--quiet", "demo", str(undisturbed), *SMALL]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = results(undisturbed)
    assert set(found) == {"lcorr-seed1", "lcorr-seed2", "mcorr-seed1", "mcorr-seed2"}
    for name in ("lcorr", "mcorr"):
        row = next(line for line in printed.out.splitlines() if line.startswith(f"| {name} |"))
        mean, _sd, first, second, untrained = (float(cell) for cell in row.strip("| ").split("|")[1:])
        seeds = [found[f"{name}-seed{seed}"] for seed in (1, 2)]
        percents = [result["per_percent"]["kaldi"] for result in seeds]
        assert [first, second] == pytest.approx(percents, abs=0.051)
        assert mean == pytest.approx(sum(percents) / 2, abs=0.051)
        assert untrained == pytest.approx(sum(result["untrained_per_percent"] for result in seeds) / 2, abs=0.051)
    places = "corpus|features and references|models|transcripts|results|learning curves"
    for named in re.findall(rf"^(?:{places}): (\S+)$", printed.out, re.MULTILINE):
        assert Path(named).exists()


def test_mcorr_is_a_mellin_model_and_lcorr_is_not(undisturbed):
    for name, mellin in (("lcorr", False), ("mcorr", True)):
        model, description = load_model(undisturbed / "models" / f"{name}-seed1")
        assert all(isinstance(layer, MellinLinearConv2d) == mellin for layer in model.convs)
        assert description.settings["model"]["convolutional_mellin"] is mellin


def test_score_gives_what_the_table_says(undisturbed, capsys):
    capsys.readouterr()
    reference = undisturbed / "data" / "fbank-81-10ms" / "ext" / "test.ref.trn"
    hypothesis = undisturbed / "systems" / "mcorr-greedy" / "seed1" / "test.trn"
    assert set(read_trn(hypothesis)) == set(read_trn(reference))
    assert main(["score", str(reference), str(hypothesis)]) == 0
    percent = results(undisturbed)["mcorr-seed1"]["per_percent"]["kaldi"]
    assert f"{percent:.1f}" in capsys.readouterr().out


def test_a_second_run_computes_nothing_again(undisturbed):
    def times() -> dict[str, int]:
        names = ("*.pt", "*.npy", "*.WAV", "test.json", "history.csv")
        return {str(path): path.stat().st_mtime_ns for name in names for path in undisturbed.rglob(name)}

    before = times()
    assert len(before) > 60
    assert main(["--quiet", "demo", str(undisturbed), *SMALL]) == 0
    assert times() == before


def test_changed_settings_are_trained_anew_and_nothing_else(undisturbed, tmp_path, capsys):
    import shutil

    folder = tmp_path / "demo"
    shutil.copytree(undisturbed, folder)
    corpus = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert main(["demo", str(folder), *SMALL, "--epochs", "2"]) == 0
    assert "trained anew, as settings or data have changed: training.num_epochs: 2, not 3" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")} == corpus
    for history in folder.glob("models/*/history.csv"):
        assert len(history.read_text().splitlines()) == 3


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_numbers(undisturbed, tmp_path):
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "cnn_mellin.cli.main", "--quiet", "demo", str(folder), *SMALL]
    chance = random.Random(3)
    for patience in (0.6, 2.5, 4.0, 5.0, 6.0, None):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if patience is None:
            _, complaints = process.communicate()
            assert (process.returncode, complaints) == (0, "")
            break
        time.sleep(patience + chance.uniform(0, 1))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()  # until its workers have noticed and left, too
    assert results(folder) == results(undisturbed)


def test_another_corpus_in_the_folder_is_refused(undisturbed, capsys):
    assert main(["--quiet", "demo", str(undisturbed), "--utterances", "50"]) == 2
    assert "another demo corpus" in capsys.readouterr().err
