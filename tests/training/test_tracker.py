import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.extras import MissingPackageError
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.training import train
from cnn_mellin.training.history import EpochRecord
from cnn_mellin.training.interruption import TrainingInterrupted
from cnn_mellin.training.tracker import Tracker

SETTINGS = {"model": {"recurrent_size": 8}, "training": {"num_epochs": 3}}


def record(epoch: int, dev_per_percent: float = 30.0) -> EpochRecord:
    return EpochRecord(epoch, 0.1, 2.0 / epoch, dev_per_percent, 0, 0, 10.0, 1.0)


@pytest.fixture
def model_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MLflow puts files beside the program
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    folder = tmp_path / "mcorr" / "seed1"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch\n")
    return folder


def train_and_resume(name: str, folder: Path) -> None:
    """Two epochs, and after a stop the third."""
    first = Tracker(name, folder, SETTINGS)
    first.add(record(1))
    first.add(record(2, float("nan")))
    again = Tracker(name, folder, SETTINGS)
    again.add(record(3, 20.0))
    again.finish(3, 20.0)


@pytest.mark.slow
def test_mlflow_has_one_run_with_settings_epochs_result_and_files(model_dir):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (the extra mlflow)")
    train_and_resume("mlflow", model_dir)
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("cnn-mellin").experiment_id])
    assert (run.info.run_name, run.info.status) == ("mcorr/seed1", "FINISHED")
    assert run.data.params == {"model.recurrent_size": "8", "training.num_epochs": "3"}
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "train_loss")] == [1, 2, 3]
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "dev_per_percent")] == [1, 3]
    assert run.data.metrics["best_dev_per_percent"] == 20.0
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["history.csv"]


_TRACKIO = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_tracker import train_and_resume
train_and_resume("trackio", Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_trackio_has_one_run_with_settings_epochs_and_result(model_dir, tmp_path):
    pytest.importorskip("trackio", reason="trackio is not installed (the extra trackio)")
    command = [sys.executable, "-c", _TRACKIO, str(Path(__file__).parent), str(model_dir)]
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    run = json.loads((model_dir / "tracker.json").read_text())["id"]
    with sqlite3.connect(tmp_path / "trackio" / "cnn-mellin.db") as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY step").fetchall()
        (config,) = database.execute("SELECT config FROM configs").fetchall()
    assert {name for name, _, _ in rows} == {run}
    assert [step for _, step, metrics in rows if "train_loss" in json.loads(metrics)] == [1, 2, 3]
    assert json.loads(rows[-1][2])["best_dev_per_percent"] == 20.0
    assert json.loads(config[0])["training.num_epochs"] == 3


@pytest.mark.slow
def test_a_tracker_that_fails_is_one_warning_and_the_training_continues(model_dir, monkeypatch, caplog):
    pytest.importorskip("mlflow", reason="mlflow is not installed (the extra mlflow)")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = Tracker("mlflow", model_dir, SETTINGS)
    tracker.add(record(1))
    tracker.finish(1, 30.0)
    (message,) = [message for message in caplog.messages if "continues without it" in message]
    assert message.startswith(f"{model_dir}: mlflow failed (")
    assert "\n" not in message


def test_a_tracker_that_is_not_installed_is_named(model_dir):
    with pytest.raises(MissingPackageError, match=r"\[training\] tracker = wandb: needs wandb, which is not installed"):
        Tracker("wandb", model_dir, SETTINGS)


def test_without_a_tracker_nothing_is_written(model_dir):
    train_and_resume("none", model_dir)
    assert [path.name for path in model_dir.iterdir()] == ["history.csv"]


@pytest.mark.slow
def test_a_training_is_recorded_and_resumed_without_another_run(model_dir, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (the extra mlflow)")
    write_symbols(tmp_path / "ext", ["aa", "b"])
    with write_partition(tmp_path / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        writer.add("u", np.ones((12, 4)), [0, 1])
    sections = {
        "model": {"recurrent_size": 4, "recurrent_layers": 1, "convolutional_layers": 0},
        "training": {"num_epochs": 3, "seed": 1, "tracker": "mlflow"},
    }
    settings, epochs = Settings().updated(sections), 0

    def stop() -> bool:
        return epochs == 2

    def after_epoch(_record: EpochRecord, _num_epochs: int | None) -> None:
        nonlocal epochs
        epochs += 1

    with pytest.raises(TrainingInterrupted):
        train(tmp_path / "train", None, tmp_path / "m", settings, stop=stop, after_epoch=after_epoch)
    for _ in range(2):  # the second call finds a finished training, and records nothing
        train(tmp_path / "train", None, tmp_path / "m", settings, after_epoch=after_epoch)
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("cnn-mellin").experiment_id])
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "train_loss")] == [1, 2, 3]
    assert run.info.status == "FINISHED"
