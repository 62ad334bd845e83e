"""Optuna's own command and dashboard read the studies."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from cnn_mellin.config import Settings

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

from cnn_mellin.search.database_url import resolve_database_url
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import choose_dimensions
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import create_study
from cnn_mellin.search.worker import Pruned, RunningTrial, run_study


def objective(trial: RunningTrial) -> float:
    trial.report(1, 50.0, may_prune=False)
    if trial.number == 2:
        raise Pruned("too large")
    return 40.0 - trial.number


def make_study(url: str) -> None:
    dimensions = tuple(choose_dimensions(Settings(), whitelist=["model.window_.*"]))
    plan = StudyPlan(Settings().as_dict(), dimensions, 4, "none", heartbeat_s=1.0)
    with StudyDatabase(resolve_database_url(url), create=True) as database:
        create_study(database, "model-mcorr-sm-fbank", plan)
        run_study(database, "model-mcorr-sm-fbank", objective, sampler="random")


def program(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "postgresql+pg8000", "mariadb"])
def test_the_optuna_command_lists_trials_in_the_form_that_the_recipe_counts(kind, request, tmp_path):
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/study.db"
    else:
        server = request.getfixturevalue(f"{kind.partition('+')[0]}_server")
        url = server.new_database("stock")
        url = server.url("stock", "pg8000") if kind.endswith("pg8000") else url
    make_study(url)
    command = [program("optuna"), "trials", "--study-name", "model-mcorr-sm-fbank", "--storage", url, "-f", "yaml"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    states = [line.split()[-1] for line in lines if "state: COMPLETE" in line or "state: PRUNED" in line]
    assert sorted(states) == ["COMPLETE", "COMPLETE", "COMPLETE", "PRUNED"]


@pytest.mark.slow
def test_the_dashboard_shows_the_study(tmp_path, free_port):
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard (the extra dev) is not installed")
    url = f"sqlite:///{tmp_path}/study.db"
    make_study(url)
    command = [program("optuna-dashboard"), url, "--host", "127.0.0.1", "--port", str(free_port)]
    with open(tmp_path / "log", "wb") as log:
        dashboard = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        studies = read(f"http://127.0.0.1:{free_port}/api/studies", tmp_path / "log")["study_summaries"]
        assert [study["study_name"] for study in studies] == ["model-mcorr-sm-fbank"]
        detail = read(f"http://127.0.0.1:{free_port}/api/studies/{studies[0]['study_id']}?after=0", tmp_path / "log")
        assert [trial["state"] for trial in detail["trials"]] == ["Complete", "Complete", "Pruned", "Complete"]
    finally:
        dashboard.terminate()
        dashboard.wait(timeout=20)


def read(address: str, log: Path) -> Any:
    ends = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.3)
