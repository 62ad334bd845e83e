from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols

NUM_SYMBOLS = 4


def write_toy_partition(path: Path, num_utterances: int, seed: int, num_coefficients: int = 6) -> None:
    """Write utterances whose frames clearly show which of four symbols is spoken."""
    stream = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).uniform(1, 10, (NUM_SYMBOLS, num_coefficients))
    with write_partition(path, PartitionDescription(num_coefficients, 10.0, "toy")) as writer:
        for i in range(num_utterances):
            reference = stream.integers(0, NUM_SYMBOLS, stream.integers(2, 5))
            frames = np.repeat(patterns[reference], 6, axis=0)
            writer.add(f"utt{i:02d}", frames + stream.normal(0, 0.1, frames.shape), reference)


@pytest.fixture(scope="session")
def write_toy() -> Callable[..., None]:
    """`write_toy_partition`, for other sizes than those of `toy`."""
    return write_toy_partition


@pytest.fixture
def toy(tmp_path) -> Path:
    """A folder with partitions train and dev."""
    data = tmp_path / "data"
    data.mkdir()
    write_symbols(data / "ext", ["aa", "b", "sil", "z"])
    write_toy_partition(data / "train", 11, 1)
    write_toy_partition(data / "dev", 4, 2)
    return data


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Settings of a training that takes a moment, with everything random switched on."""
    return Settings().updated(
        {
            "model": {
                "window_size": 3,
                "window_stride": 2,
                "convolutional_layers": 1,
                "convolutional_initial_channels": 2,
                "convolutional_mellin": True,
                "recurrent_size": 4,
                "recurrent_layers": 2,
                "seed": 1,
            },
            "training": {
                "num_epochs": 4,
                "log10_learning_rate": -2,
                "dropout_prob": 0.1,
                "max_freq_warp": 2,
                "seed": 1,
                "learning_rate_decay_proportion": 0.5,
                "reduce_lr_threshold": 0.5,
                "max_gradient_norm": 5,
            },
            "data": {"batch_size": 4, "scale_features": True},
        }
    )
