import pytest
import torch

from cnn_mellin.layers import AttentionPooling


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 3, 1, 4), (2, 3, 5), (0, 3, 5, 4)])
def test_pooling_equals_a_loop(shape):
    num_signals, channels, num_frames, *freq = shape
    layer = AttentionPooling(channels, *freq, dtype=torch.float64)
    torch.nn.init.normal_(layer.weight)
    hidden = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    found = layer(hidden)
    assert found.shape == (num_signals, channels, *freq)
    for n in range(num_signals):
        scores = []
        for t in range(num_frames):
            frame = hidden[n, :, t].reshape(channels, -1)
            products = [frame[c, f] * layer.weight[c, f] for c in range(channels) for f in range(frame.size(1))]
            scores.append(torch.stack(products).sum())
        exponentials = [score.exp() for score in scores]
        expected = sum(e / sum(exponentials) * hidden[n, :, t] for t, e in enumerate(exponentials))
        torch.testing.assert_close(found[n], expected)
    if num_signals and num_frames > 1:
        gradients = torch.autograd.grad(found.square().sum(), [hidden, layer.weight])
        assert all(gradient.any() for gradient in gradients)


def test_weights_begin_at_the_mean():
    hidden = torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(AttentionPooling(3, 4)(hidden), hidden.mean(2))


def test_scores_are_those_of_whole_frames_wherever_they_are():
    layer, hidden = AttentionPooling(2, 3), torch.randn(1, 2, 6, 3)
    torch.nn.init.normal_(layer.weight)
    torch.testing.assert_close(layer(hidden), layer(hidden.roll(2, 2)))


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 4, 5, 4), (2, 3, 5, 1), (3, 4), (1, 2, 3, 4, 5)])
def test_wrong_shapes_are_named(shape):
    with pytest.raises(ValueError, match=r"hidden has shape .*; it must be \(N, 3, T, 4\)"):
        AttentionPooling(3, 4)(torch.zeros(shape))


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="channels is 0; it must be at least 1"):
        AttentionPooling(0)
    with pytest.raises(ValueError, match="num_coefficients is 2.5"):
        AttentionPooling(2, 2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dtype is torch.int64; it must be floating-point or complex"):
        AttentionPooling(2, dtype=torch.int64)
    assert repr(AttentionPooling(2, 3)) == "AttentionPooling(2, num_coefficients=3)"
