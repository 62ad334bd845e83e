import numpy as np
import pytest
from pydantic import ValidationError

from cnn_mellin.config import Settings
from cnn_mellin.config.data import DataConfig
from cnn_mellin.data.batch import batch_indices
from cnn_mellin.data.batch_plan import batches_by_duration, largest_batch, plan_batches, summarize_batches
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.errors import DataError

FRAMES = np.random.default_rng(1).integers(1, 500, 3000)


@pytest.fixture
def partition(tmp_path):
    return write(tmp_path / "p", [200, 900, 210, 3100, 220, 880], 10.0)


def write(path, lengths, shift_ms):
    with write_partition(path, PartitionDescription(1, shift_ms)) as writer:
        for i, length in enumerate(lengths):
            writer.add(str(i), np.ones((length, 1)), [0])
    return read_partition(path)


@pytest.mark.parametrize("max_frames", [1, 400, 5000, 10**7])
def test_every_utterance_is_in_one_batch_that_keeps_the_limit_or_is_alone(max_frames):
    batches = batches_by_duration(FRAMES, max_frames, seed=3, epoch=2)
    assert sorted(i for batch in batches for i in batch) == list(range(len(FRAMES)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * FRAMES[batch].max() <= max_frames


def test_batches_are_nearly_full_with_little_padding_and_in_random_order():
    batches = batches_by_duration(FRAMES, 5000, seed=3)
    padded = np.array([len(batch) * FRAMES[batch].max() for batch in batches])
    assert FRAMES.sum() / padded.sum() > 0.95
    assert padded.mean() > 0.9 * 5000
    longest = [FRAMES[batch].max() for batch in batches]
    assert abs(np.corrcoef(longest[1:], longest[:-1])[0, 1]) < 0.3


def test_order_depends_only_on_seed_and_epoch():
    assert batches_by_duration(FRAMES, 5000, 1, 2) == batches_by_duration(FRAMES, 5000, 1, 2)
    assert batches_by_duration(FRAMES, 5000, 1, 2) != batches_by_duration(FRAMES, 5000, 1, 3)
    assert batches_by_duration(FRAMES, 5000, 1, 2) != batches_by_duration(FRAMES, 5000, 2, 2)


def test_seconds_are_converted_by_the_frame_shift(partition, tmp_path):
    plan = plan_batches(partition, DataConfig(max_batch_seconds=18), seed=1, epoch=1)
    assert sorted(map(sorted, plan)) == [[0, 2, 4], [1, 5], [3]]
    finer = write(tmp_path / "q", [200, 900, 210, 3100, 220, 880], 20.0)
    assert len(plan_batches(finer, DataConfig(max_batch_seconds=36), seed=1, epoch=1)) == 3
    unknown = write(tmp_path / "r", [200], None)
    with pytest.raises(DataError, match=r"r: the duration of its frames is unknown, so that \[data\] max_batch_secon"):
        plan_batches(unknown, DataConfig(max_batch_seconds=18), seed=1, epoch=1)


def test_by_default_batches_are_counted(partition):
    assert plan_batches(partition, DataConfig(batch_size=4), 5, 6) == batch_indices(
        partition.num_frames, 4, seed=5, epoch=6
    )


@pytest.mark.parametrize("limit", [{"batch_size": 2}, {"max_batch_seconds": 18}])
def test_first_epochs_may_begin_with_the_shortest_utterances(partition, limit):
    config = DataConfig(shortest_first_epochs=2, **limit)
    first = plan_batches(partition, config, seed=1, epoch=2)
    assert [i for batch in first for i in batch] == [0, 2, 4, 5, 1, 3]
    assert first == plan_batches(partition, config, seed=2, epoch=1)
    later = plan_batches(partition, config, seed=1, epoch=3)
    assert later == plan_batches(partition, DataConfig(**limit), seed=1, epoch=3)


@pytest.mark.parametrize(
    ("first", "last", "sizes"),
    [(1, 4, [1, 2, 4, 4]), (2, 3, [2, 3, 3, 3]), (3, 3, [3, 3, 3, 3]), (6, 2, [2, 2, 2, 2]), (1, 1, [1, 1, 1, 1])],
)
def test_batches_double_with_each_epoch_until_they_have_their_size(partition, first, last, sizes):
    config = DataConfig(first_batch_size=first, batch_size=last)
    plans = [plan_batches(partition, config, seed=1, epoch=epoch) for epoch in (1, 2, 3, 1000)]
    assert [max(map(len, plan)) for plan in plans] == sizes
    assert all(sorted(i for batch in plan for i in batch) == list(range(6)) for plan in plans)
    assert plans[-1] == plan_batches(partition, DataConfig(batch_size=last), seed=1, epoch=1000)
    assert largest_batch(partition, config)[0] == last


def test_the_summary_names_updates_padding_and_utterances_beyond_the_limit(partition):
    config = DataConfig(max_batch_seconds=18)
    summary = summarize_batches(plan_batches(partition, config, 1, 1), partition, config)
    assert str(summary) == (
        "3 updates per epoch, of 1 to 3 utterances; 0.9 % of the frames are padding; "
        "1 longer than max_batch_seconds are batches of their own"
    )
    summary = summarize_batches([[0, 1, 2], [3, 4, 5]], partition, DataConfig(batch_size=3))
    padded = 3 * 900 + 3 * 3100
    assert summary.padded_share == pytest.approx(1 - partition.num_frames.sum() / padded)
    assert str(summary).startswith("2 updates per epoch, of 3 utterances; 54.1 %")


def test_the_largest_batch_bounds_every_batch(partition):
    assert largest_batch(partition, DataConfig(batch_size=4)) == (4, 3100)
    assert largest_batch(partition, DataConfig(batch_size=40)) == (6, 3100)
    assert largest_batch(partition, DataConfig(max_batch_seconds=18)) == (1, 3100)
    assert largest_batch(partition, DataConfig(max_batch_seconds=36)) == (4, 900)


def test_the_largest_share_of_a_batch_is_that_of_a_batch_which_cannot_be_divided(partition):
    assert largest_batch(partition, DataConfig(batch_size=4), 3) == (2, 3100)
    assert largest_batch(partition, DataConfig(batch_size=40), 4) == (2, 3100)  # of the six that there are
    assert largest_batch(partition, DataConfig(max_batch_seconds=36), 2) == (1, 3100)


@pytest.mark.parametrize("value", [0, -1.0])
def test_the_limit_is_positive(value):
    with pytest.raises(ValidationError, match="max_batch_seconds"):
        DataConfig(max_batch_seconds=value)


def test_dropping_the_last_batch_is_refused():
    why = "drop_last needs batches of batch_size utterances; set it to False or unset max_batch_seconds"
    with pytest.raises(ValidationError, match=why):
        DataConfig(drop_last=True, max_batch_seconds=60)
    config = DataConfig(max_batch_seconds=60)
    with pytest.raises(ValidationError, match=why):
        config.drop_last = True
    assert Settings().updated({"data": {"max_batch_seconds": 60}}).data.max_batch_seconds == 60


def test_batches_of_a_duration_do_not_grow():
    config = DataConfig(first_batch_size=2)
    with pytest.raises(ValidationError, match="first_batch_size and max_batch_seconds exclude each other; unset one"):
        config.max_batch_seconds = 60
    with pytest.raises(ValidationError, match="first_batch_size and max_batch_seconds exclude each other; unset one"):
        DataConfig(first_batch_size=2, max_batch_seconds=60)
