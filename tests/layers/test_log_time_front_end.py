from __future__ import annotations

import pytest
import torch

from cnn_mellin.layers import LogTimeFrontEnd, MellinConv1d
from cnn_mellin.layers.log_time_front_end import pool_time


def test_outputs_are_those_of_the_layer_on_each_window():
    front = LogTimeFrontEnd(3, 5, 4, window_size=9, window_stride=2, kernel_offset=2, pooling=None, dtype=torch.float64)
    alone = MellinConv1d(3, 5, 4, kernel_offset=2, output_length=4).double()
    alone.load_state_dict(front.state_dict())
    signal = torch.randn(2, 3, 11, dtype=torch.float64)
    found = front(signal).unflatten(1, (5, 4))
    for anchor in range(6):
        window = torch.nn.functional.pad(signal, (0, 9))[:, :, 2 * anchor : 2 * anchor + 9]
        torch.testing.assert_close(found[..., anchor], alone(window))


def test_the_control_is_a_convolution_of_each_window():
    front = LogTimeFrontEnd(3, 5, 4, window_size=9, window_stride=2, pooling=None, log_time=False)
    signal = torch.randn(2, 3, 10)
    found = front(signal).unflatten(1, (5, 6))
    assert found.shape[-1] == 5
    for anchor in range(5):
        window = torch.nn.functional.pad(signal, (0, 9))[:, :, 2 * anchor : 2 * anchor + 9]
        expected = torch.nn.functional.conv1d(window, front.weight, front.bias)
        torch.testing.assert_close(found[..., anchor], expected)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_dilated_window_gives_the_same_outputs_further_along_log_time(factor):
    """The law that the layer is for, exactly: x'[f i] = x[i] (places from 1) moves output t to output f t."""
    window, offset = 24, 2
    front = LogTimeFrontEnd(
        2, 4, 5, window_size=window * factor, kernel_offset=offset, pooling=None, dtype=torch.float64
    )
    signal = torch.rand(1, 2, window, dtype=torch.float64)
    slow = torch.zeros(1, 2, window * factor, dtype=torch.float64)
    slow[..., factor - 1 :: factor] = signal
    padded = torch.nn.functional.pad(signal, (0, window * (factor - 1)))
    fast_outputs, slow_outputs = (front(x).unflatten(1, (4, -1))[..., 0] for x in (padded, slow))
    num_outputs = window // offset
    torch.testing.assert_close(slow_outputs[..., factor - 1 :: factor], fast_outputs[..., :num_outputs])


@pytest.mark.parametrize(("factor", "kernel_offset", "kernel_size"), [(3, 4, 2), (5, 6, 4), (7, 8, 6)])
@pytest.mark.parametrize("pooling", ["max", "sum"])
@pytest.mark.parametrize("log_time", [True, False])
def test_dilation_leaves_what_is_pooled_over_log_time(factor, kernel_offset, kernel_size, pooling, log_time):
    """Exact where no ratio d..d+K-1 is a multiple of the factor: all other outputs of the dilated signal are zero."""
    front = LogTimeFrontEnd(
        2,
        4,
        kernel_size,
        window_size=40 * factor,
        kernel_offset=kernel_offset,
        pooling=None,
        log_time=log_time,
        bias=False,
        dtype=torch.float64,
    )
    signal = torch.randn(1, 2, 40, dtype=torch.float64)
    slow = torch.zeros(1, 2, 40 * factor, dtype=torch.float64)
    slow[..., factor - 1 :: factor] = signal
    padded = torch.nn.functional.pad(signal, (0, 40 * (factor - 1)))
    quick, dilated = (pool_time(front(x).unflatten(1, (4, -1))[..., 0].relu(), pooling, 2) for x in (padded, slow))
    assert torch.allclose(quick, dilated) == log_time


@pytest.mark.parametrize("pooling", ["sum", "mean", "max", "logsumexp"])
def test_pooling(pooling):
    front = LogTimeFrontEnd(2, 3, 2, window_size=6, window_stride=3, pooling=pooling)
    signal = torch.randn(1, 2, 9)
    pooled = front(signal)
    front.pooling = None
    outputs = front(signal).unflatten(1, (3, 6))
    expected = {"max": outputs.amax(2), "logsumexp": outputs.exp().sum(2).log(), "mean": outputs.sum(2) / 6}
    torch.testing.assert_close(pooled, expected.get(pooling, outputs.sum(2)))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="window_stride is 0; it must be at least 1"):
        LogTimeFrontEnd(1, 1, 3, window_size=4, window_stride=0)
    with pytest.raises(ValueError, match="window_size is 4; it must be at least kernel_offset, 5, for one output"):
        LogTimeFrontEnd(1, 1, 3, window_size=4, kernel_offset=5)
    with pytest.raises(ValueError, match="window_size is 4; it must be at least kernel_size, 5"):
        LogTimeFrontEnd(1, 1, 5, window_size=4, log_time=False)
    with pytest.raises(ValueError, match="pooling is 'median'; it must be one of sum, mean, max, logsumexp, or None"):
        LogTimeFrontEnd(1, 1, 3, window_size=4, pooling="median")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"signal has shape \(2, 3\); it must be \(N, 4, T\)"):
        LogTimeFrontEnd(4, 1, 3, window_size=4)(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="pooling is 'median'"):
        pool_time(torch.zeros(2), "median", 0)  # type: ignore[arg-type]


def test_digits_model_in_ten_lines():
    torch.manual_seed(1)
    front = LogTimeFrontEnd(41, 32, kernel_size=12, window_size=48, window_stride=2, kernel_offset=4)
    mix, out = torch.nn.Conv1d(32, 32, 1), torch.nn.Linear(32, 10)
    features = torch.randn(4, 41, 90)
    logits = out(torch.relu(mix(torch.relu(front(features)))).amax(2))
    assert logits.shape == (4, 10)
    logits.sum().backward()
    assert front.weight.grad is not None
    assert front.weight.grad.abs().sum((0, 1)).all()  # every row learns
