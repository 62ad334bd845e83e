import numpy as np
import pytest

from cnn_mellin.data.batch import batch_indices, load_batch
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition

FRAMES = np.random.default_rng(1).integers(1, 500, 103)


@pytest.mark.parametrize("bucket", [False, True])
@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("drop", [False, True])
def test_every_utterance_occurs_once(bucket, seed, drop):
    batches = batch_indices(FRAMES, 4, seed=seed, drop_last=drop, bucket_by_length=bucket)
    taken = sorted(i for batch in batches for i in batch)
    assert len(set(taken)) == len(taken) == (100 if drop else 103)
    assert sorted(len(batch) for batch in batches)[1:] == [4] * (len(batches) - 1)


def test_order_depends_only_on_seed_and_epoch():
    def order(seed, epoch):
        return batch_indices(FRAMES, 4, seed=seed, epoch=epoch)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3) != order(2, 3)


def test_buckets_hold_similar_lengths():
    def spread(bucket):
        batches = batch_indices(FRAMES, 4, seed=1, bucket_by_length=bucket)
        return np.mean([np.ptp(FRAMES[batch]) for batch in batches])

    assert spread(True) < 0.2 * spread(False)


def test_batch_is_padded_with_zeros_and_references_are_concatenated(tmp_path):
    with write_partition(tmp_path / "p", PartitionDescription(2)) as writer:
        writer.add("a", np.ones((3, 2)), [4, 5])
        writer.add("b", np.ones((1, 2)), [6])
    batch = load_batch(read_partition(tmp_path / "p"), [1, 0], first_class=8, last_class=9)
    assert batch.utterance_ids == ["b", "a"]
    assert batch.features[:, :, 0].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert batch.lengths.tolist() == [1, 3]
    assert batch.references.tolist() == [8, 6, 9, 8, 4, 5, 9]
    assert batch.reference_lengths.tolist() == [3, 4]
