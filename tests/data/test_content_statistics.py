import numpy as np
import torch

from cnn_mellin.data.content_statistics import count_adjacent_repeats
from cnn_mellin.training.objective import frames_needed


def test_adjacent_repeats_are_the_blanks_that_ctc_needs():
    stream = np.random.default_rng(1)
    lengths = np.array([0, 0, 5, 0, 9, 1, 2, 0])
    classes = stream.integers(0, 2, lengths.sum())
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    found = count_adjacent_repeats(classes, offsets)
    assert (lengths + found).tolist() == frames_needed(torch.from_numpy(classes), torch.from_numpy(lengths)).tolist()
    assert found.sum() > 3
