import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main
from cnn_mellin.data.audio_partition import open_features
from cnn_mellin.data.partition import read_partition

pytestmark = pytest.mark.slow  # each starts processes that compute features or trains

NAME = "fbank-81-10ms"
SETTINGS = """
[model]
convolutional_layers = 0
recurrent_layers = 1
recurrent_size = 4
[training]
num_epochs = 1
[data]
audio_features = fbank-81-10ms
max_batch_seconds = 4
"""


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of 8 training and 2 dev utterances in the current folder."""
    monkeypatch.chdir(tmp_path)
    stream = np.random.default_rng(1)
    rows = ["audio\ttranscript\tpartition"]
    for i in range(10):
        soundfile.write(f"u{i}.wav", stream.normal(0, 0.1, int(stream.integers(8000, 16000))), 16000, subtype="PCM_16")
        rows.append(f"u{i}.wav\ta b\t{'train' if i < 8 else 'dev'}")
    (tmp_path / "corpus.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path / "corpus.tsv"


def start(*arguments):
    command = [
        sys.executable,
        "-m",
        "cnn_mellin",
        "--quiet",
        "prep",
        "table",
        "corpus.tsv",
        "data",
        "--audio",
        *arguments,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_share_the_shards_and_the_last_completes(table):
    running = [start("--shards", "2", "--shard", str(number)) for number in range(2)]
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert any("data/audio/train: 8 utterances" in text and text.count(", whole\n") == 2 for text in printed)
    assert len(open_features("data/audio/train", NAME)) == 8


def test_a_killed_run_is_resumed_by_shard(table, capsys):
    process = start("--shards", "8", "--jobs", "1")
    while not (table.parent / "data" / "audio" / "train" / "shard-0001").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = (table.parent / "data" / "audio" / "train" / "shard-0000" / "features.npy").stat().st_mtime_ns
    assert main(["--quiet", "prep", "table", "corpus.tsv", "data", "--audio", "--shards", "8"]) == 0
    assert "data/audio/train: 8 utterances, 0.00 hours" in capsys.readouterr().out
    assert (table.parent / "data" / "audio" / "train" / "shard-0000" / "features.npy").stat().st_mtime_ns == kept
    names = sorted(path.name for path in (table.parent / "data" / "audio" / "train").iterdir())
    assert names == ["audio.json", *(f"shard-{number:04}" for number in range(8))]


def test_leftovers_of_runs_killed_after_a_shard_was_whole_are_deleted(table):
    command = ["--quiet", "prep", "table", "corpus.tsv", "data", "--audio", "--shards", "2"]
    assert main(command) == 0
    folder = table.parent / "data" / "audio" / "train"
    (folder / ".shard-0001.0a1b2c3d.lock").touch()
    (folder / "audio.json").unlink()
    assert main(command) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["audio.json", "shard-0000", "shard-0001"]


def test_commands_compute_features_from_audio(table, capsys):
    (table.parent / "s.ini").write_text(SETTINGS)
    quiet = ["--quiet"]
    assert main([*quiet, "prep", "table", "corpus.tsv", "data"]) == 0
    assert main([*quiet, "prep", "table", "corpus.tsv", "data", "--audio"]) == 0
    train = ["train", "data/audio/train", "data/audio/dev", "model", "--seed", "1", "--no-tensorboard"]
    assert main([*quiet, "--read-ini", "s.ini", *train]) == 0
    for features in ("audio", NAME):
        assert main([*quiet, "logits", "model", f"data/{features}/dev", f"logits-{features}"]) == 0
    computed, prepared = (read_partition(f"logits-{features}") for features in ("audio", NAME))
    np.testing.assert_array_equal(computed.features, prepared.features)
    assert main([*quiet, "transcribe", "model", "u1.wav"]) == 0
    assert main([*quiet, "train", "data/audio/train", "other", "--seed", "1", "--read-ini", "demo-mcorr"]) == 2
    assert "set [data] audio_features" in capsys.readouterr().err
