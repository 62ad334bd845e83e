import numpy as np
import pytest

from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.errors import DataError
from cnn_mellin.report.figures.utterance import draw_utterance

plt_image = pytest.importorskip("matplotlib.image", reason="matplotlib (the extra report) is not installed")


@pytest.fixture
def partition(tmp_path):
    with write_partition(tmp_path / "train", PartitionDescription(8, 10.0, "toy")) as writer:
        frames = np.random.default_rng(0).uniform(0, 9, (80, 8))
        writer.add("timed", frames, [[0, 0, 30], [1, 30, 80]])
        writer.add("untimed", frames - 4, [1, 0])
        writer.add("silence", np.zeros((50, 8)), [])
    return read_partition(tmp_path / "train")


def picture(path):
    """(height, width, 3)."""
    return plt_image.imread(path)[..., :3]


@pytest.mark.parametrize("utterance_id", ["timed", "untimed", "silence"])
def test_panels_follow_the_available_data(tmp_path, partition, utterance_id):
    draw_utterance(partition, utterance_id, tmp_path / "a.png", symbols=["a$_$", "b"])
    image = picture(tmp_path / "a.png")
    assert image.shape == (350, 800, 3)
    assert image.std() > 0.05


def test_a_waveform_takes_a_panel_of_its_own(tmp_path, partition):
    samples = np.random.default_rng(1).normal(0, 3000, 12800).astype(np.float32)
    draw_utterance(partition, "timed", tmp_path / "a.png", samples=samples)
    assert picture(tmp_path / "a.png").shape == (600, 800, 3)


def test_raw_audio_is_its_own_waveform(tmp_path):
    with write_partition(tmp_path / "raw", PartitionDescription(1, 1 / 16, "raw")) as writer:
        writer.add("u", np.random.default_rng(1).normal(0, 3000, (16000, 1)), [[0, 0, 16000]])
    draw_utterance(read_partition(tmp_path / "raw"), "u", tmp_path / "a.png")
    image = picture(tmp_path / "a.png")
    assert image.shape == (350, 800, 3)
    blue = (image[..., 2] > image[..., 0] + 0.3).mean()
    assert blue > 0.05


def test_phone_boundaries_are_plotted(tmp_path, partition):
    draw_utterance(partition, "silence", tmp_path / "none.png")
    draw_utterance(partition, "timed", tmp_path / "timed.png")
    difference = np.abs(picture(tmp_path / "none.png") - picture(tmp_path / "timed.png"))
    assert difference.max() > 0.5


def test_unknown_utterances_and_classes_are_named_and_nothing_is_written(tmp_path, partition):
    with pytest.raises(DataError, match="has no utterance 'time'; it has timed, untimed, silence"):
        draw_utterance(partition, "time", tmp_path / "a.png")
    with pytest.raises(DataError, match="class 1 is not in 0..0"):
        draw_utterance(partition, "timed", tmp_path / "a.png", symbols=["a"])
    assert not (tmp_path / "a.png").exists()
