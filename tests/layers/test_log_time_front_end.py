from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cnn_mellin.layers import LogTimeFrontEnd, MellinConv1d
from cnn_mellin.layers.log_time_front_end import pool_time


def test_outputs_equal_those_of_a_layer_on_each_window():
    front = LogTimeFrontEnd(3, 5, 4, window_size=9, window_stride=2, kernel_offset=2, pooling=None, dtype=torch.float64)
    alone = MellinConv1d(3, 5, 4, kernel_offset=2, output_length=4).double()
    alone.load_state_dict(front.state_dict())
    signal = torch.randn(2, 3, 11, dtype=torch.float64)
    found = front(signal).unflatten(1, (5, 4))
    for anchor in range(6):
        window = torch.nn.functional.pad(signal, (0, 9))[:, :, 2 * anchor : 2 * anchor + 9]
        torch.testing.assert_close(found[..., anchor], alone(window))


def test_the_baseline_is_a_convolution_of_each_window():
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
    """The law behind the layer, exactly: x'[f i] = x[i] (counted from 1) moves output t to output f t."""
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
def test_pooled_outputs_are_invariant_to_dilation_only_in_log_time(
    factor, kernel_offset, kernel_size, pooling, log_time
):
    """Exact if no ratio d..d+K-1 is a multiple of the factor: all other outputs of the dilated signal are zero."""
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
    with pytest.raises(ValueError, match="kernel has 4 input channels; signal has 2"):
        LogTimeFrontEnd(4, 1, 3, window_size=4)(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="pooling is 'median'"):
        pool_time(torch.zeros(2), "median", 0)  # type: ignore[arg-type]


def test_a_digit_classifier_trains_every_kernel_row():
    torch.manual_seed(1)
    front = LogTimeFrontEnd(41, 32, kernel_size=12, window_size=48, window_stride=2, kernel_offset=4)
    mix, out = torch.nn.Conv1d(32, 32, 1), torch.nn.Linear(32, 10)
    features = torch.randn(4, 41, 90)
    logits = out(torch.relu(mix(torch.relu(front(features)))).amax(2))
    assert logits.shape == (4, 10)
    logits.sum().backward()
    assert front.weight.grad is not None
    assert front.weight.grad.abs().sum((0, 1)).all()  # every row learns


@pytest.mark.parametrize("log_time", [True, False])
@pytest.mark.parametrize("pooling", [None, "max"])
def test_one_signal_needs_no_batch(pooling, log_time):
    front = LogTimeFrontEnd(2, 3, 4, window_size=6, window_stride=2, pooling=pooling, log_time=log_time)
    signal = torch.randn(2, 9)
    assert torch.equal(front(signal), front(signal[None])[0])


def test_sizes_are_accepted_in_the_forms_of_torchs_layers():
    front = LogTimeFrontEnd(np.int64(2), (3,), [4], window_size=(6,), window_stride=np.int32(2), kernel_offset=(2,))
    assert repr(front) == (
        "LogTimeFrontEnd(2, 3, kernel_size=4, window_size=6, window_stride=2, kernel_offset=2, pooling=max)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": True}, "in_channels is True; it must be a whole number, at least 1"),
        ({"kernel_size": (2, 3)}, r"kernel_size is \(2, 3\); it must be a whole number or a tuple of 1"),
        ({"window_stride": 1.0}, "window_stride is 1.0; it must be a whole number, at least 1"),
        ({"bias": 1}, "bias is 1; it must be True or False"),
        ({"dtype": torch.int64}, "dtype is torch.int64; it must be floating-point or complex"),
    ],
)
def test_arguments_of_wrong_type_or_length_are_named(arguments, message):
    keywords: dict[str, Any] = {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "window_size": 4, **arguments}
    with pytest.raises(ValueError, match=message):
        LogTimeFrontEnd(**keywords)


@pytest.mark.parametrize("log_time", [True, False])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float64, torch.bfloat16], ids=str)
def test_signals_of_another_dtype_are_refused(dtype, log_time):
    front = LogTimeFrontEnd(1, 2, 3, window_size=4, log_time=log_time)
    with pytest.raises(ValueError, match=f"signal has dtype {dtype}"):
        front(torch.ones(1, 1, 6, dtype=dtype))


@pytest.mark.parametrize("log_time", [True, False])
def test_meta_tensors_have_the_shapes_of_real_ones(log_time):
    front = LogTimeFrontEnd(
        2, 3, 4, window_size=6, window_stride=2, log_time=log_time, device="meta", dtype=torch.float64
    )
    assert all((part.device.type, part.dtype) == ("meta", torch.float64) for part in front.parameters())
    assert front(torch.zeros(5, 2, 9, device="meta", dtype=torch.float64)).shape == (5, 3, 5)
    with pytest.raises(ValueError, match="signal is on cpu, but kernel on meta"):
        front(torch.zeros(5, 2, 9, dtype=torch.float64))
    front.to_empty(device="cpu").reset_parameters()
    assert front(torch.zeros(5, 2, 9, dtype=torch.float64)).isfinite().all()


@pytest.mark.parametrize("log_time", [True, False])
def test_autocast_gives_its_dtype(log_time):
    front = LogTimeFrontEnd(2, 3, 4, window_size=6, log_time=log_time)
    with torch.autocast("cpu", torch.bfloat16):
        assert front(torch.ones(1, 2, 9)).dtype == torch.bfloat16


@pytest.mark.parametrize("log_time", [True, False])
def test_no_frames_give_no_windows(log_time):
    front = LogTimeFrontEnd(2, 3, 4, window_size=6, window_stride=9, log_time=log_time)
    assert front(torch.zeros(5, 2, 0)).shape == (5, 3, 0)
