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
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.layers import MellinLinearConv2d
from cnn_mellin.training import load_model

pytest.importorskip("snakemake", reason="snakemake (the extra workflow) is not installed")

SMALL = ["--utterances", "40", "--epochs", "3", "--seeds", "2", "--jobs", "2"]
FEATURES = "fbank-81-10ms"
SYSTEMS = [f"{model}-{FEATURES}" for model in ("lcorr", "mcorr")]


def results(folder: Path) -> dict[str, bytes]:
    """Everything that the demonstration says, by its file."""
    kept = [*folder.glob("comparison/*.json"), *folder.glob("scores/*.json"), *folder.rglob("systems/*/*/*.trn")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(kept)}


def greedy(folder: Path) -> dict[str, list[float]]:
    content = json.loads((folder / "comparison" / "greedy.json").read_text())
    return {name.removesuffix("-greedy"): system["values"] for name, system in content["systems"].items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    assert main(["--quiet", "demo", str(folder), *SMALL]) == 0
    return folder


@pytest.mark.soak
def test_table_shows_every_seed_the_mean_and_the_untrained_model(undisturbed, capsys):
    capsys.readouterr()
    assert main(["--quiet", "demo", str(undisturbed), *SMALL]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    table = printed.out.partition("Greedy search, no language model:")[2].partition("Prefix search")[0]
    header = next(line for line in table.splitlines() if line.startswith("system "))
    columns = re.split("  +", header)
    found = greedy(undisturbed)
    assert set(found) == set(SYSTEMS)
    for name, percents in found.items():
        row = next(line for line in table.splitlines() if line.startswith(f"{name} "))
        cells = dict(zip(columns, re.split("  +", row), strict=True))
        assert [float(cells["seed 1"]), float(cells["seed 2"])] == pytest.approx(percents, abs=0.0051)
        assert float(cells["mean PER %"]) == pytest.approx(sum(percents) / 2, abs=0.0051)
        assert float(cells["untrained"]) > 80
    places = "corpus|features and references|models|transcripts|logs|page with all tables and pictures"
    named = re.findall(rf"^(?:{places}): (\S+)$", printed.out, re.MULTILINE)
    assert len(named) == 6
    assert all(Path(place).exists() for place in named)


@pytest.mark.soak
def test_untrained_transcripts_equal_a_manual_decoding_of_epoch_0(undisturbed, tmp_path):
    made = undisturbed / "untrained" / f"{SYSTEMS[1]}.trn"
    test = str(undisturbed / "data" / FEATURES / "test")
    model = str(undisturbed / "models" / SYSTEMS[1] / "seed1")
    assert main(["--quiet", "decode", model, test, str(tmp_path / "a.trn"), "--epoch", "0"]) == 0
    assert (tmp_path / "a.trn").read_bytes() == made.read_bytes()
    assert made.read_bytes() != (undisturbed / "systems" / f"{SYSTEMS[1]}-greedy" / "seed1" / "test.trn").read_bytes()


@pytest.mark.soak
def test_mcorr_is_a_mellin_model_and_lcorr_is_not(undisturbed):
    for name, mellin in zip(SYSTEMS, (False, True), strict=True):
        model, description = load_model(undisturbed / "models" / name / "seed1")
        assert all(isinstance(layer, MellinLinearConv2d) == mellin for layer in model.convs)
        assert description.settings["model"]["convolutional_mellin"] is mellin


@pytest.mark.soak
def test_score_prints_the_numbers_of_the_table(undisturbed, capsys):
    capsys.readouterr()
    reference = undisturbed / "data" / FEATURES / "ext" / "test.ref.trn"
    hypothesis = undisturbed / "systems" / f"{SYSTEMS[1]}-greedy" / "seed1" / "test.trn"
    assert set(read_trn(hypothesis)) == set(read_trn(reference))
    assert main(["score", str(reference), str(hypothesis)]) == 0
    assert f"{greedy(undisturbed)[SYSTEMS[1]][0]:.1f}" in capsys.readouterr().out


@pytest.mark.soak
def test_a_second_run_computes_nothing_again(undisturbed):
    def times() -> dict[str, int]:
        names = ("*.pt", "*.npy", "*.WAV", "*.json", "*.trn", "history.csv")
        files = [path for name in names for path in undisturbed.rglob(name) if path.parent.name != "steps"]
        return {str(path): path.stat().st_mtime_ns for path in files}

    before = times()
    assert len(before) > 60
    assert main(["--quiet", "demo", str(undisturbed), *SMALL]) == 0
    assert times() == before


@pytest.mark.soak
def test_only_trainings_with_changed_settings_restart(undisturbed, tmp_path, capsys):
    folder = tmp_path / "demo"
    assert main(["--quiet", "demo", str(folder), *SMALL]) == 0
    features = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert features
    capsys.readouterr()
    assert main(["demo", str(folder), *SMALL, "--epochs", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("restarts, as its inputs have changed") == 4
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")} == features
    for history in folder.glob("models/*/*/history.csv"):
        assert len(history.read_text().splitlines()) == 3


@pytest.mark.soak
def test_killed_again_and_again_it_ends_with_the_same_numbers(undisturbed, tmp_path):
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "cnn_mellin.cli.main", "--quiet", "demo", str(folder), *SMALL]
    chance = random.Random(3)
    for patience in (0.6, 2.5, 6.0, 9.0, 12.0, None):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            if patience is None:
                _, complaints = process.communicate()
                assert (process.returncode, complaints) == (0, "")
                break
            time.sleep(patience + chance.uniform(0, 1))
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()  # until its workers have noticed and left, too
    assert results(folder) == results(undisturbed)


@pytest.mark.soak
def test_another_corpus_in_the_folder_is_refused(undisturbed, capsys):
    assert main(["--quiet", "demo", str(undisturbed), "--utterances", "50"]) == 2
    assert "another demo corpus" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["snakemake", "matplotlib"])
def test_missing_packages_are_named_before_anything_runs(tmp_path, capsys, monkeypatch, name):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == name else find(wanted))
    assert main(["--quiet", "demo", str(tmp_path / "demo")]) == 2
    complaint = capsys.readouterr().err
    assert f"demo: needs {name}, which is not installed; install the extras workflow, report, demo with: " in complaint
    assert f"install --editable '{Path(__file__).parents[2]}[workflow,report,demo]'" in complaint
    assert not (tmp_path / "demo").exists()
