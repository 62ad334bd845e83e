import random

import numpy as np
import pytest
import torch

from cnn_mellin.ops.fourier import Axis, collected, num_products, spread, transforms

CPU = torch.device("cpu")


def sampled_axis(rng: random.Random) -> Axis:
    """Sample an axis that has outputs."""
    while True:
        signal, kernel, stride, dilation = (rng.randint(1, most) for most in (20, 9, 3, 3))
        left, right = rng.randint(0, 12), rng.randint(0, 12)
        output = (signal + left + right - dilation * (kernel - 1) - 1) // stride + 1
        if output > 0:
            return Axis(signal, kernel, output, stride, dilation, left)


@pytest.mark.parametrize("seed", range(40))
def test_products_of_transforms_are_the_correlation(seed):
    axis = sampled_axis(random.Random(seed))
    rng = np.random.default_rng(seed)
    signal, kernel = rng.standard_normal(axis.signal), rng.standard_normal(axis.kernel)
    expected = np.zeros(axis.output)
    for place in range(axis.output):
        for position in range(axis.kernel):
            read = axis.stride * place + axis.dilation * position - axis.left
            if 0 <= read < axis.signal:
                expected[place] += kernel[position] * signal[read]

    matrices = transforms(axis, torch.float64, CPU)
    numbers = torch.zeros(num_products(axis), dtype=torch.float64)
    numbers[: axis.period] = matrices.signal @ torch.from_numpy(signal)
    spread(numbers, axis.period)
    products = numbers * (matrices.kernel @ torch.from_numpy(kernel))
    found = collected(products, axis.period) @ matrices.output
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_period_is_the_shortest_without_wrapped_reads():
    assert Axis(81, 10, 81, 1, 1, 4).period == 81 + 5
    assert Axis(81, 10, 72, 1, 1, 0).period == 81
    assert Axis(5, 3, 9, 1, 1, 4).period == 5 + 4


def test_matrices_made_during_inference_serve_training():
    axis = Axis(7, 3, 5, 1, 1, 0)
    with torch.inference_mode():
        matrices = transforms(axis, torch.float32, CPU)
    signal = torch.ones(7, requires_grad=True)
    (matrices.signal @ signal).sum().backward()
    assert signal.grad is not None
