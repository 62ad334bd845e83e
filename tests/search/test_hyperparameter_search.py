from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.symbols import write_symbols

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.hyperparameter_search import (
    open_study,
    plan_search,
    read_best_settings,
    run_search,
    search_hyperparameters,
)
from cnn_mellin.search.study import load_study, read_trials

SETTINGS = Settings().updated(
    {
        "model": {"recurrent_size": 4, "recurrent_layers": 1, "convolutional_layers": 0},
        "training": {"num_epochs": 1},
        "data": {"batch_size": 4},
    }
)


def write_data(folder: Path, shift: float = 0.0) -> Path:
    write_symbols(folder / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    with write_partition(folder / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        for i in range(12):
            writer.add(f"u{i:02d}", stream.uniform(0, 5, (30, 4)) + shift, [0, 1])
    return folder / "train"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'search.db'}"


@pytest.mark.slow
def test_one_call_searches_and_the_same_call_runs_nothing_again(url, data):
    options: Any = {"num_trials": 3, "whitelist": ["model.window_size"], "sampler": "random"}
    best = search_hyperparameters(url, data, SETTINGS, **options)
    with open_study(url) as (database, name):
        study, _, plan = load_study(database, name)
        trials = read_trials(database, study)
    assert name == "optim"
    assert len(trials) == 3
    lowest = min((trial for trial in trials if trial.value is not None), key=lambda trial: (trial.value, trial.number))
    assert best.model.window_size == lowest.params["model.window_size"]
    assert best == read_best_settings(url)
    assert best == search_hyperparameters(url, data, SETTINGS, **options)
    with open_study(url) as (database, name):
        assert len(read_trials(database, load_study(database, name)[0])) == 3


@pytest.mark.slow
def test_a_worker_says_what_it_did_and_stops_when_told(url, data, tmp_path):
    study = plan_search(url, data, SETTINGS, study_name="s", num_trials=2, whitelist=["model.window_size"])
    assert study.created
    assert not plan_search(url, data, SETTINGS, study_name="s", num_trials=2, whitelist=["model.window_size"]).created
    stopped = run_search(url, stop=lambda: True)
    assert (stopped.stopped, stopped.num_completed, stopped.study_name) == (True, 0, "s")
    summary = run_search(url, model_dir=tmp_path / "models", discard_ended=True)
    assert summary.num_completed + summary.num_pruned == 2
    assert not list((tmp_path / "models").rglob("*.pt"))


def test_a_study_without_a_name_must_be_the_only_one(url, data):
    for name in ("a", "b"):
        plan_search(url, data, SETTINGS, study_name=name, whitelist=["model.window_size"])
    with pytest.raises(DatabaseError, match=r"search.db: has studies a, b; name one with study_name=NAME"):
        run_search(url)


def test_a_copy_of_the_partition_must_be_equal(url, data, tmp_path):
    plan_search(url, data, SETTINGS, whitelist=["model.window_size"])
    other = write_data(tmp_path / "other", 1.0)
    with pytest.raises(DatabaseError, match=r"other/train: is not the partition that the study optim was created with"):
        run_search(url, train_dir=other)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"max_failed_retries": -1}, "max_failed_retries -1: must be 0 or more"),
        ({"discard_ended": True}, "discard_ended=True: needs model_dir=FOLDER"),
        ({"timeout_s": 0.0}, "timeout_s 0: must be above 0 seconds"),
        ({"device": "abacus"}, r"device abacus: cannot be used here \(.*\); try device=cpu"),
    ],
)
def test_wrong_arguments_are_named(url, data, arguments, why):
    plan_search(url, data, SETTINGS, whitelist=["model.window_size"])
    with pytest.raises(SettingsError, match=why):
        run_search(url, **arguments)
