from __future__ import annotations

import itertools

import pytest
import torch

from cnn_mellin.ops import mellin_correlate_1d
from cnn_mellin.ops.window_correlation import correlate_windows, num_windows


@pytest.mark.parametrize(
    ("num_frames", "window_size", "window_stride", "kernel_length", "kernel_offset", "output_length"),
    [(9, 4, 2, 3, 1, 4), (1, 5, 3, 2, 2, 2), (23, 12, 3, 7, 2, 6), (7, 3, 5, 1, 1, 3), (16, 48, 2, 12, 4, 12)],
)
def test_every_window_gives_the_output_of_mellin_correlate_1d(
    num_frames, window_size, window_stride, kernel_length, kernel_offset, output_length, device
):
    stream = torch.Generator().manual_seed(num_frames)
    signal = torch.randn(2, 3, num_frames, dtype=torch.float64, generator=stream)
    kernel = torch.randn(5, 3, kernel_length, dtype=torch.float64, generator=stream)
    bias = torch.randn(5, dtype=torch.float64, generator=stream)
    found = correlate_windows(
        signal.to(device),
        kernel.to(device),
        bias.to(device),
        window_size=window_size,
        window_stride=window_stride,
        kernel_offset=kernel_offset,
        output_length=output_length,
    ).cpu()
    windows = num_windows(num_frames, window_stride)
    assert found.shape == (2, 5, output_length, windows)
    padded = torch.nn.functional.pad(signal, (0, window_size))
    for window in range(windows):
        first = window * window_stride
        windowed = padded[:, :, first : first + window_size]
        expected = mellin_correlate_1d(windowed, kernel, bias, kernel_offset=kernel_offset, output_length=output_length)
        torch.testing.assert_close(found[..., window], expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("with_bias", [True, False])
def test_gradients_on_any_device_equal_those_on_the_cpu(device, with_bias):
    torch.manual_seed(1)
    tensors = [torch.randn(shape, dtype=torch.float64) for shape in ((2, 3, 31), (4, 3, 5), (4,))][: 2 + with_bias]
    gradients = []
    for place in ("cpu", device):
        moved = [tensor.to(place).requires_grad_() for tensor in tensors]
        out = correlate_windows(*moved, window_size=9, window_stride=2, kernel_offset=2, output_length=4)
        gradients.append([gradient.cpu() for gradient in torch.autograd.grad(out.square().sum(), moved)])
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)


def test_gradients_to_second_order():
    signal = torch.randn(1, 2, 6, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)

    def correlated(*tensors: torch.Tensor) -> torch.Tensor:
        return correlate_windows(*tensors, window_size=5, window_stride=2, kernel_offset=2, output_length=2)

    assert torch.autograd.gradcheck(correlated, (signal, kernel, bias))
    assert torch.autograd.gradgradcheck(correlated, (signal, kernel, bias))


def test_number_of_windows():
    for num_frames, stride in itertools.product(range(12), range(1, 5)):
        expected = len(range(0, num_frames, stride))
        assert num_windows(num_frames, stride) == num_windows(torch.tensor(num_frames), stride).item() == expected


def test_one_signal_needs_no_batch():
    signal, kernel, bias = torch.randn(2, 9), torch.randn(3, 2, 4), torch.randn(3)
    found, expected = (
        correlate_windows(x, kernel, bias, window_size=5, window_stride=2, output_length=5)
        for x in (signal, signal[None])
    )
    assert torch.equal(found, expected[0])


def test_tensors_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="signal has dtype torch.float64, but kernel has torch.float32"):
        correlate_windows(
            torch.ones(1, 1, 5).double(), torch.ones(1, 1, 2), window_size=3, window_stride=1, output_length=3
        )
