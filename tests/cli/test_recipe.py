import contextlib
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main, parser
from cnn_mellin.corpora.demo import make_demo_corpus

pytest.importorskip("snakemake", reason="snakemake (the extra workflow) is not installed")

SIZES = ["--set", "beam_widths=2", "lm_betas=0.2", "speaking_rates=0.8,1", "num_epochs=1"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("corpus") / "demo"
    make_demo_corpus(folder, 40, 1, jobs=1, quiet=True)
    return folder


def command(corpus: Path, folder: Path, *more: str) -> list[str]:
    return ["recipe", str(corpus), str(folder), "--tiny", "--seeds", "1", *SIZES, *more]


@pytest.fixture(scope="module")
def finished(corpus, tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("recipe") / "exp"
    assert main(command(corpus, folder, "--cores", "2")) == 0
    return folder


def state(folder: Path) -> dict[str, int]:
    """Modification time of each file, except the records of steps."""
    kept = (path for path in folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts)
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in kept if path.parent.name != "steps"}


@pytest.mark.slow
def test_all_steps_are_done_and_status_shows_it(finished, capsys):
    capsys.readouterr()
    assert main(["recipe", "status", str(finished)]) == 0
    printed = capsys.readouterr().out
    assert f"{finished}: finished" in printed
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[3:]}
    assert rows["train"][:5] == ["2", "-", "-", "-", "-"]
    assert rows["decode"][:5] == ["10", "-", "-", "-", "-"]
    assert rows["report"][:5] == ["1", "-", "-", "-", "-"]
    assert all(re.fullmatch(r"\d+ (s|min)", " ".join(row[5:])) for row in rows.values())
    compared = json.loads((finished / "comparison" / "greedy.json").read_text())
    assert set(compared["systems"]) == {"lcorr-fbank-81-10ms-greedy", "mcorr-fbank-81-10ms-greedy"}


@pytest.mark.slow
def test_a_second_run_does_nothing_and_a_dry_run_shows_it(finished, corpus, capsys):
    before = state(finished)
    capsys.readouterr()
    assert main(command(corpus, finished)) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Linear and Mellin models")
    assert f"\npage with all tables and pictures: {finished / 'report.html'}\n" in printed
    assert main(command(corpus, finished, "--dry-run")) == 0
    assert "0 of 25 steps to do; the others are up to date" in capsys.readouterr().out
    assert state(finished) == before


@pytest.mark.slow
def test_every_command_of_a_dry_run_can_be_typed_by_a_user(tmp_path, corpus, capsys, monkeypatch):
    capsys.readouterr()
    assert main(command(corpus, tmp_path / "exp", "--features", "fbank-81-10ms", "raw", "--dry-run")) == 0
    *lines, _ = capsys.readouterr().out.splitlines()
    assert len(lines) == 47
    monkeypatch.chdir(tmp_path / "exp")
    for line in lines:
        program, *arguments = shlex.split(line.partition(": ")[2].partition(" > ")[0])
        assert program == "cnn-mellin"
        if "--read-ini" in arguments:  # a file that another step makes
            place = arguments.index("--read-ini")
            del arguments[place : place + 2]
        parser().parse_args(arguments)


@pytest.mark.soak
def test_changing_a_feature_file_computes_only_what_depends_on_it(corpus, tmp_path, capsys):
    folder, both = tmp_path / "exp", ("--features", "fbank-81-10ms", "sigbank-41-2ms", "--models", "lcorr")
    assert main(command(corpus, folder, *both, "--until", "train")) == 0
    features = folder / "data" / "fbank-81-10ms" / "train" / "features.npy"
    weights = {name: folder / "models" / f"lcorr-{name}" / "seed1" for name in ("fbank-81-10ms", "sigbank-41-2ms")}
    before = {name: (path / "model.json").stat().st_mtime_ns for name, path in weights.items()}
    content = bytearray(features.read_bytes())
    content[-40:] = bytes(40)
    features.write_bytes(content)
    capsys.readouterr()
    assert main(command(corpus, folder, *both, "--until", "train")) == 0
    printed = capsys.readouterr().out
    assert "prep-fbank-81-10ms: its products have changed or are missing" in printed
    assert "train-lcorr-fbank-81-10ms-seed1: restarts, as its inputs have changed" in printed
    assert "sigbank" not in printed
    assert (weights["fbank-81-10ms"] / "model.json").stat().st_mtime_ns > before["fbank-81-10ms"]
    assert (weights["sigbank-41-2ms"] / "model.json").stat().st_mtime_ns == before["sigbank-41-2ms"]


@pytest.mark.soak
def test_a_killed_recipe_resumes_and_ends_with_the_same_table(finished, corpus, tmp_path):
    folder = tmp_path / "exp"
    start = [sys.executable, "-m", "cnn_mellin.cli.main", *command(corpus, folder, "--cores", "2")]
    for patience in (6.0, 6.0):
        with subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as controller:
            time.sleep(patience)
            controller.send_signal(signal.SIGKILL)
    assert main(command(corpus, folder, "--cores", "2")) == 0
    for name in ("greedy", "trigram"):
        tables = [json.loads((f / "comparison" / f"{name}.json").read_text()) for f in (folder, finished)]
        assert tables[0] == tables[1]


@pytest.mark.slow
def test_a_failed_step_is_named_and_repeated_after_a_repair(corpus, tmp_path, capsys):
    folder = tmp_path / "exp"
    settings = tmp_path / "a.ini"
    settings.write_text('[model]\nwindow_size = 3\n[training]\nnum_epochs = 1\n[data]\nsubset_ids = ["nobody"]\n')
    wrong = [*command(corpus, folder, "--until", "train", "--models", "lcorr"), "--settings", str(settings)]
    assert main(wrong) == 1
    printed = capsys.readouterr()
    assert "1 step failed; mend what is wrong" in printed.err
    assert "train-lcorr-fbank-81-10ms-seed1: ended with status 2" in printed.err
    assert main(["recipe", "status", str(folder)]) == 0
    assert "the end of" in capsys.readouterr().out
    assert main(command(corpus, folder, "--until", "train", "--models", "lcorr")) == 0


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--set", "num_trials=4"], "--set num_trials=4: is not a size of the recipe; did you mean"),
        (["--set", "num_workers=x"], "--set num_workers=x: must be a whole number, such as num_workers=2"),
        (["--set", "num_workers"], "--set num_workers: must be SIZE=VALUE"),
        (["--until", "tarin"], "--until tarin: must be one of prep, "),
        (["--seeds", "0"], "--seeds 0: must be at least 1"),
        (["--cores", "0"], "--cores 0: must be at least 1"),
        (["--gpus-per-training", "0"], "--gpus-per-training 0: must be at least 1"),
        (
            ["--profile", "sge"],
            "--profile sge: is not a folder with a file config.yaml; it must be local, slurm, or the folder of",
        ),
        (["--features", "raw2", "--settings", "a.ini"], "a.ini: "),
        (["--read-ini", "demo-mcorr"], "takes settings from --settings FILE, not from --read-ini"),
        (
            ["--settings", "demo-mcor"],
            "demo-mcor: does not exist, on disk or among the shipped files; did you mean",
        ),
        (["--settings", "xcorr=a.ini"], "--settings xcorr=a.ini: must be FILE, MODEL=FILE or"),
        (["--settings", "=a.ini"], "--settings =a.ini: must be FILE, MODEL=FILE or"),
        (["--search", "--profile", "slurm"], "--db-url (not given: an SQLite file in EXP): SQLite serves the workers"),
        (
            ["--search", "--profile", "slurm", "--db-url", "env:SQLITE"],
            "--db-url env:SQLITE: SQLite serves the workers",
        ),
        (["--search", "--db-url", "oracle://h/d"], "databases of kind 'oracle' are not known"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_named(tmp_path, monkeypatch, capsys, more, why):
    monkeypatch.setenv("SQLITE", "sqlite:///search.db")
    (tmp_path / "corpus" / "TRAIN").mkdir(parents=True)
    assert main(["recipe", str(tmp_path / "corpus"), str(tmp_path / "exp"), "--tiny", *more]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "exp").exists()


@pytest.mark.parametrize("more", [["--partial"], ["--tiny"], ["--partial", "--prep-options=--partial"]])
def test_a_corpus_that_is_not_a_full_timit_is_prepared_on_request(tmp_path, capsys, more):
    (tmp_path / "corpus" / "TRAIN").mkdir(parents=True)
    assert main(["recipe", str(tmp_path / "corpus"), str(tmp_path / "exp"), *more, "--dry-run", "--until", "prep"]) == 0
    prep, *_ = (line for line in capsys.readouterr().out.splitlines() if " prep timit " in line)
    assert prep.endswith(" data --features fbank-81-10ms --partial")


def test_only_a_corpus_in_timits_layout_can_be_partial(tmp_path, capsys):
    (tmp_path / "c.tsv").write_text("audio\ttranscript\n")
    assert main(["recipe", str(tmp_path / "c.tsv"), str(tmp_path / "exp"), "--partial"]) == 2
    assert "--partial: " in (said := capsys.readouterr().err)
    assert said.endswith("c.tsv is not a corpus in TIMIT's layout; leave the option out\n")


def test_folders_without_a_corpus_or_recipe_are_named(tmp_path, capsys):
    assert main(["recipe", str(tmp_path / "none"), str(tmp_path / "exp")]) == 2
    assert "none: does not exist; name a corpus" in capsys.readouterr().err
    assert main(["recipe", str(tmp_path), str(tmp_path / "exp")]) == 2
    assert f"{tmp_path}: holds no folder TRAIN or TEST" in capsys.readouterr().err
    for arguments in (["recipe", "status", str(tmp_path)], ["report", str(tmp_path)]):
        assert main(arguments) == 2
        assert f"{tmp_path}: holds no recipe; start one with: cnn-mellin recipe CORPUS" in capsys.readouterr().err


@pytest.mark.parametrize(
    "relative", [pytest.param(True, marks=pytest.mark.slow), pytest.param(False, marks=pytest.mark.soak)]
)
def test_a_terminal_shows_the_running_steps(corpus, tmp_path, relative):
    folder = "exp" if relative else str(tmp_path / "exp")
    start = [sys.executable, "-m", "cnn_mellin.cli.main", *command(corpus, Path(folder), "--until", "prep")]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, start)
    shown = b""
    with contextlib.suppress(OSError):  # on Linux this means that the other end is closed
        while more := os.read(terminal, 65536):
            shown += more
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    assert b"\r\x1b[2K0 of 1 steps done, 1 running; prep-fbank-81-10ms: " in shown
    assert shown.endswith(f"{folder}: up to date as far as prep\r\n".encode())


@pytest.mark.parametrize(
    "name", [pytest.param("SIGINT", marks=pytest.mark.slow), pytest.param("SIGTERM", marks=pytest.mark.soak)]
)
def test_an_interrupted_recipe_says_how_to_resume(corpus, tmp_path, name):
    folder = tmp_path / "exp"
    start = [sys.executable, "-m", "cnn_mellin.cli.main", *command(corpus, folder, "--until", "train")]
    # Processes that a shell starts in the background ignore SIGINT; the recipe would, too.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(start, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed) as controller:
        while not list(folder.glob("steps/*.job")):
            assert controller.poll() is None
            time.sleep(0.1)
        controller.send_signal(getattr(signal, name))
        _, complaints = controller.communicate(timeout=60)
    assert controller.returncode == 130
    assert complaints == "cnn-mellin: interrupted; run the same command again to resume\n"


@pytest.mark.slow
@pytest.mark.parametrize(("options", "fault"), [((), "12 of 18 kernel rows of layers 1 to 3"), (("--tiny",), None)])
def test_kernel_rows_that_cannot_learn_are_named_before_anything_runs(corpus, tmp_path, capsys, options, fault):
    assert main(["recipe", str(corpus), str(tmp_path / "exp"), "--partial", "--dry-run", *options]) == 0
    said = capsys.readouterr().err
    assert ("mcorr-fbank-81-10ms: [model] " + fault in said) if fault else "kernel rows" not in said
