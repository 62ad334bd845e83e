import pytest
import torch

from cnn_mellin.models.windows import check_utterances, plan_windows
from cnn_mellin.ops.window_correlation import num_windows


def test_windows_equal_slices_of_the_padded_utterance():
    features = torch.randn(3, 11, 2)
    lengths = torch.tensor([7, 11, 1])
    plan = plan_windows(lengths, 11, 4, 3)
    assert plan.lengths.tolist() == [3, 4, 1] == num_windows(lengths, 3).tolist()
    assert plan.batch_sizes.tolist() == [3, 2, 2, 1]
    assert plan.beyond is not None
    features.masked_fill_(plan.beyond.unsqueeze(2), 0)
    by_utterance = plan.by_utterance(plan.windows_of(features).flatten(1)).unflatten(2, (4, 2))
    assert by_utterance.shape == (3, 4, 4, 2)
    for i, length in enumerate(lengths.tolist()):
        whole = torch.cat([features[i, :length], torch.zeros(20, 2)])
        for t in range(4):
            expected = whole[3 * t : 3 * t + 4] if t < plan.lengths[i] else torch.zeros(4, 2)
            assert torch.equal(by_utterance[i, t], expected)


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
        check_utterances(torch.zeros(features), torch.tensor(lengths), 2)
