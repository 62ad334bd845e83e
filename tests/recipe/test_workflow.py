"""The workflow in a recipe's folder, as `snakemake` runs it from a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cnn_mellin.cli.main import main
from cnn_mellin.errors import SettingsError
from cnn_mellin.recipe import run
from cnn_mellin.recipe.options import RecipeOptions, tiny_sizes
from cnn_mellin.recipe.plan import plan_recipe
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.workflow import check_steps, find_profile, profile_executor, write_workflow

pytest.importorskip("snakemake", reason="snakemake (the extra workflow) is not installed")

SMALL = ["--tiny", "--seeds", "1", "--models", "lcorr"]
SMALL += ["--set", "beam_widths=2", "lm_betas=0.2", "speaking_rates=0.8,1", "num_epochs=1"]


def snakemake(folder: Path, *arguments: str, status: int = 0) -> str:
    """What `snakemake` prints, started from another folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["snakemake", "-d", str(folder), "-s", str(folder / "Snakefile"), *arguments],
        cwd=folder.parent,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout[-4000:]
    return done.stdout


def counts(printed: str) -> dict[str, int]:
    """Number of jobs per rule that a dry run lists."""
    table = printed.partition("Job stats:")[2]
    return {rule: int(count) for rule, count in re.findall(r"^([a-z_]+) +(\d+)$", table, re.MULTILINE)}


def written(tmp_path: Path, **more) -> tuple[Path, RecipeOptions]:
    """Folder of a recipe that has not been run, and its options."""
    (tmp_path / "corpus" / "TRAIN").mkdir(parents=True)
    options = RecipeOptions(str(tmp_path / "corpus"), "timit", tiny=True, sizes=tiny_sizes(), num_seeds=2, **more)
    write_workflow(tmp_path / "exp", options)
    return tmp_path / "exp", options


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [{}, {"models": ("mcorr",)}, {"search": True}, {"features": ("fbank-81-10ms", "raw")}],
    ids=["plain", "one model", "search", "two feature types"],
)
def test_rules_depend_on_each_other_as_the_steps_of_the_plan_do(tmp_path, more):
    folder, options = written(tmp_path, **more)
    printed = snakemake(folder, "-n", "-j", "1")
    found = {}
    for block in re.split(r"\n(?=(?:local)?rule )", printed):
        lines = dict(re.findall(r"^    (input|output): (.*)$", block, re.MULTILINE))
        if "output" in lines:
            found[lines["output"]] = set(lines.get("input", "").split(", ")) - {""}
            log = re.search(r"^    log: (.*)$", block, re.MULTILINE)
            assert log is not None
            assert lines["output"] == f"steps/{Path(log[1]).stem}.done"
    steps = plan_recipe(options, folder)
    assert found == {f"steps/{s.name}.done": {f"steps/{name}.done" for name in s.needs} for s in steps}


@pytest.mark.slow
def test_trainings_ask_for_their_gpus(tmp_path):
    folder, _ = written(tmp_path, device="cuda", gpus_per_training=2)
    printed = snakemake(folder, "-n", "-j", "1")
    gpus: dict[str, set[int]] = {}
    for block in re.split(r"\n(?=(?:local)?rule )", printed):
        asked = re.search(r"resources: .*gpus=(\d+)", block)
        if asked:
            gpus.setdefault(block.split(":")[0].removeprefix("rule "), set()).add(int(asked[1]))
    assert gpus == {"train": {2}, "decode": {1}}


@pytest.mark.soak
def test_snakemake_runs_the_recipe_and_one_step_of_it_after_a_file_is_deleted(small_corpus, tmp_path, capsys):
    folder = tmp_path / "exp"
    command = ["recipe", str(small_corpus), str(folder), *SMALL]
    assert main([*command, "--dry-run"]) == 0
    assert counts(snakemake(folder, "-n", "-j", "1"))["decode"] == 5
    graph = snakemake(folder, "--dag")
    assert "digraph snakemake_dag" in graph
    assert graph.count("->") > 20
    snakemake(folder, "-j", "2", "--until", "train")
    assert (folder / "models" / "lcorr-fbank-81-10ms" / "seed1" / "model.json").exists()
    assert not (folder / "systems").exists()
    snakemake(folder, "-j", "2")
    assert (folder / "report.html").exists()
    assert "Nothing to be done" in snakemake(folder, "-j", "2")
    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 0
    assert "0 of 15 steps to do" in capsys.readouterr().out
    times = {path: path.stat().st_mtime_ns for path in folder.glob("models/*/*/*")}
    transcript = folder / "systems" / "lcorr-fbank-81-10ms-greedy" / "seed1" / "test.trn"
    content = transcript.read_bytes()
    transcript.unlink()
    assert counts(snakemake(folder, "-n", "-j", "1"))["decode"] == 1
    snakemake(folder, "-j", "2")
    assert transcript.read_bytes() == content
    records = StepRecords(folder)
    hows = {name: (records.read(name, "exit") or {}).get("how") for name in records.plan()}
    assert [name for name, how in hows.items() if how == "unchanged"] == [
        "score-lcorr-fbank-81-10ms",
        "compare-greedy",
        "compare-search-lcorr-fbank-81-10ms",
        "report",
    ]
    assert {path: path.stat().st_mtime_ns for path in times} == times
    snakemake(folder, "--report", "snakemake.html")
    assert (folder / "snakemake.html").exists()


@pytest.mark.slow
def test_options_may_be_changed_in_the_configuration(tmp_path):
    folder, _ = written(tmp_path, models=("lcorr",))
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("num_seeds: 2", "num_seeds: 3"))
    assert counts(snakemake(folder, "-n", "-j", "1"))["train"] == 3


@pytest.mark.slow
def test_a_damaged_configuration_stops_snakemake_with_one_line(tmp_path):
    folder, _ = written(tmp_path)
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("corpus_kind: timit", "corpus_kind: sphere"))
    printed = snakemake(folder, "-n", "-j", "1", status=1)
    assert "cnn-mellin: config.yaml: is damaged" in printed.replace(f"{folder}/", "")


@pytest.mark.slow
def test_an_unfinished_search_lists_the_same_steps_as_a_dry_run_of_the_recipe(tmp_path, capsys):
    folder, options = written(tmp_path, search=True, models=("lcorr",))
    steps, changed = check_steps(folder)
    records = StepRecords(folder)
    assert changed == []
    done = [step for step in steps if step.stage in ("prep", "speed", "model-sm")]
    for step in done:
        for product in step.products:
            (folder / product).parent.mkdir(parents=True, exist_ok=True)
            (folder / product).write_text(step.name)
        records.finish(step, 1.0)
    to_do = records.steps_to_do(check_steps(folder)[0])
    assert len(to_do) == len(steps) - len(done)
    assert counts(snakemake(folder, "-n", "-j", "1"))["total"] == len(to_do) + 1
    (folder / done[0].products[0]).write_text("changed")
    assert check_steps(folder)[1] == [done[0].name]
    listed = counts(snakemake(folder, "-n", "-j", "1"))
    assert listed["total"] == len(steps)  # all but speed, and the rule all
    assert "speed" not in listed


@pytest.fixture
def shell_queue(tmp_path) -> Iterator[Path]:
    """A profile of Snakemake for a scheduler that is not Slurm, which runs."""
    program = [sys.executable, str(Path(__file__).with_name("shell_queue.py"))]
    spool = tmp_path / "spool"
    profile = tmp_path / "profile"
    for folder in (spool, profile):
        folder.mkdir()
    content = {
        "executor": "cluster-generic",
        "cluster-generic-submit-cmd": f"{' '.join(program)} submit {spool}",
        "cluster-generic-status-cmd": f"{' '.join(program)} status {spool}",
        "jobs": 4,
        "local-cores": 2,
        "seconds-between-status-checks": 1,
    }
    (profile / "config.yaml").write_text(yaml.safe_dump(content))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen([*program, "serve", str(spool)], env={**os.environ, "PATH": path}) as process:
        yield profile
        process.terminate()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_another_cluster_runs_the_recipe_to_the_end(small_corpus, shell_queue, tmp_path):
    tables = []
    for name, profile in (("cluster", str(shell_queue)), ("local", "local")):
        folder = tmp_path / name
        assert main(["--quiet", "recipe", str(small_corpus), str(folder), *SMALL, "--profile", profile]) == 0
        tables.append({path.name: json.loads(path.read_text()) for path in sorted(folder.glob("comparison/*.json"))})
    assert len(tables[0]) == 3
    assert tables[0] == tables[1]
    ended = {path.stem: path.read_text() for path in (tmp_path / "spool").glob("*.exit")}
    assert list(ended.values()) == ["0"] * 8  # prep, speed, train, and five times decode


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_shipped_profiles_are_folders_of_snakemake(name):
    folder = find_profile(name)
    assert isinstance(yaml.safe_load((folder / "config.yaml").read_text()), dict)
    assert profile_executor(folder) == ("local" if name == "local" else "cluster-generic")


def test_a_profile_may_lie_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.v8+.yaml").write_text("executor: lsf\n")
    assert find_profile("mine") == tmp_path / "mine"
    assert profile_executor(find_profile("mine")) == "lsf"


@pytest.mark.parametrize("name", ["sge", "default", "none/such"])
def test_an_unknown_profile_is_named(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=f"profile {name}: is not a folder with a file config.yaml; it must be loc"):
        find_profile(name)


@pytest.mark.parametrize("text", ["a: [", "- a\n", "a: &x [1]\nb: *x\n"])
def test_a_damaged_profile_is_named(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"config\.yaml"):
        profile_executor(tmp_path)


@pytest.mark.slow
def test_overheads_are_small(small_corpus, tmp_path):
    """At most a second of processor time per step that is up to date, and five seconds until the first step."""
    folder = tmp_path / "exp"
    began = time.time()
    assert main(["--quiet", "recipe", str(small_corpus), str(folder), *SMALL, "--until", "settings"]) == 0
    records, name = StepRecords(folder), "settings-lcorr-fbank-81-10ms"
    starts = [(records.read(step, "exit") or {})["began"] for step in records.plan() if records.read(step, "exit")]
    assert min(starts) - began < 10.0  # five seconds, with room for a busy machine
    records.delete(name, "done")
    before = os.times()
    subprocess.run([sys.executable, "-m", "cnn_mellin", "step", "run", name, "--exp", str(folder)], check=True)
    after = os.times()
    assert (records.read(name, "exit") or {})["how"] == "unchanged"
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1.0


@pytest.mark.slow
def test_a_failure_of_snakemake_itself_is_one_line(small_corpus, tmp_path, capsys):
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "config.yaml").write_text("executor: nonesuch\njobs: 1\n")
    command = ["--quiet", "recipe", str(small_corpus), str(tmp_path / "exp"), *SMALL, "--profile", str(profile)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"cnn-mellin: {tmp_path / 'exp'}: Snakemake has failed: ")
    assert "nonesuch" in said
    assert said.count("\n") == 1


def test_records_of_a_killed_run_are_not_taken_for_running_steps(tmp_path, monkeypatch):
    folder, options = written(tmp_path)
    records = StepRecords(folder)
    for name, machine in (("prep-fbank-81-10ms", "local"), ("speed-fbank-81-10ms", "slurm")):
        records.write(name, "job", {"machine": machine})
        records.write(name, "start", {"began": 1.0})
    monkeypatch.setattr(run, "_snakemake", lambda _folder, _arguments, ends: ends.failed)
    assert run.run_recipe(options, folder, profile=find_profile("local")) == {}
    kept = [path.name for path in (folder / "steps").iterdir() if path.suffix in (".job", ".start")]
    assert sorted(kept) == ["speed-fbank-81-10ms.job", "speed-fbank-81-10ms.start"]
