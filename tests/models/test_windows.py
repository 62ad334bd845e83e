import pytest
import torch

from cnn_mellin.models.windows import Windows
from cnn_mellin.ops.window_correlation import num_windows


def test_windows_equal_slices_of_the_padded_utterance():
    features = torch.randn(3, 11, 2)
    lengths = torch.tensor([7, 11, 1])
    windows = Windows(features, lengths, 4, 3, 2)
    assert windows.lengths.tolist() == [3, 4, 1] == num_windows(lengths, 3).tolist()
    packed = torch.nn.utils.rnn.PackedSequence(
        windows.values, windows.batch_sizes, windows.sorted_indices, windows.unsorted_indices
    )
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    for i, length in enumerate(lengths.tolist()):
        whole = torch.cat([features[i, :length], torch.zeros(20, 2)])
        for t in range(int(windows.lengths[i])):
            assert torch.equal(padded[i, t], whole[3 * t : 3 * t + 4])


def test_frames_past_the_length_are_not_read():
    features = torch.randn(1, 5, 2)
    spoilt = features.clone()
    spoilt[0, 3:] = float("nan")
    lengths = torch.tensor([3])
    assert torch.equal(Windows(features, lengths, 4, 1, 2).values, Windows(spoilt, lengths, 4, 1, 2).values)


@pytest.mark.parametrize(
    ("features", "lengths", "message"),
    [
        ((4, 5), [1], r"features has shape \(4, 5\); it must be \(utterances, frames, coefficients\)"),
        ((2, 5, 3), [1, 1], "features has 3 coefficients, but the model takes 2"),
        ((2, 5, 2), [1], r"lengths has shape \(1,\); it must be \(2,\)"),
        ((0, 5, 2), [], "one for each of 1 or more utterances"),
        ((2, 5, 2), [1.0, 2.0], "lengths has dtype torch.float32; it must hold integers"),
        ((2, 5, 2), [1, 6], r"lengths\[1\] is 6 but features have 5 frames; lengths must lie in 1\.\.5"),
        ((2, 5, 2), [0, 5], r"lengths\[0\] is 0 but features have 5 frames"),
    ],
)
def test_wrong_arguments_are_named(features, lengths, message):
    with pytest.raises(ValueError, match=message):
        Windows(torch.zeros(features), torch.tensor(lengths), 3, 2, 2)
