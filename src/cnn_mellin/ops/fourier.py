"""Correlation along one axis by transforms: output = inverse(transform of the kernel * transform of the signal).

The transforms are discrete Fourier transforms, stored as P real numbers; their period P is long enough that no read
wraps around to a wrong value. A coefficient and its conjugate take one complex product, and (a + ib)(c + id) = (r + s)
+ i (t + s) with r = -b (c + d), t = a (d - c), s = (a + b) c takes three real ones: R products in all. So the R numbers
are first the real coefficients, then three blocks of equal size. The forward transform makes the last block the sum of
the other two; the inverse adds it to both.

Source: the convolution theorem, and Gauss's three products (D. E. Knuth, The Art of Computer Programming 2, 4.6.4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from cnn_mellin.ops.shape_cache import cached_by_shape

__all__ = ["Axis", "Transforms", "collected", "num_products", "spread", "transforms"]


class Axis(NamedTuple):
    """One axis of a correlation: output f reads signal[stride f + dilation w - left] for each w of the kernel.

    Args:
        signal, kernel, output: lengths F, W and F'.
        stride, dilation, left: stride, dilation and left padding of the correlation.
    """

    signal: int
    kernel: int
    output: int
    stride: int
    dilation: int
    left: int

    @property
    def period(self) -> int:
        """Shortest period in which every read left or right of the signal is still a zero.

        >>> Axis(81, 10, 81, 1, 1, 4).period
        86
        """
        last = self.stride * (self.output - 1) + self.dilation * (self.kernel - 1) - self.left
        return self.signal + max(self.left, last - (self.signal - 1), 0)


class Transforms(NamedTuple):
    """Matrices of the transforms of one axis.

    Args:
        constant: value of product 0 that makes every output 1, if the other products are 0.
        signal: (P, F); `spread` extends its results to R numbers.
        kernel: (R, W).
        output: (P, F'), from the `collected` products to outputs.
    """

    constant: float
    signal: torch.Tensor
    kernel: torch.Tensor
    output: torch.Tensor


def num_products(axis: Axis) -> int:
    """Number of real products, R.

    >>> num_products(Axis(81, 10, 81, 1, 1, 4)), num_products(Axis(2, 2, 2, 1, 1, 0))
    (128, 4)
    """
    return axis.period + (axis.period - 1) // 2


def collected(products: torch.Tensor, period: int) -> torch.Tensor:
    """Reduce R products to the P numbers of the inverse transform, in the same memory.

    >>> collected(torch.tensor([1.0, 2.0, 3.0, 4.0]), 3)
    tensor([1., 6., 7.])
    """
    pairs = (period - 1) // 2
    last = products[period:]
    products[period - 2 * pairs : period - pairs] += last
    products[period - pairs : period] += last
    return products[:period]


def spread(numbers: torch.Tensor, period: int) -> None:
    """Fill the last of R numbers from the first P.

    >>> numbers = torch.tensor([1.0, 2.0, 3.0, 0.0])
    >>> spread(numbers, 3)
    >>> numbers
    tensor([1., 2., 3., 5.])
    """
    pairs = (period - 1) // 2
    first, second = numbers[period - 2 * pairs : period - pairs], numbers[period - pairs : period]
    torch.add(first, second, out=numbers[period:])


@cached_by_shape
def transforms(axis: Axis, dtype: torch.dtype, device: torch.device) -> Transforms:
    """Compute the matrices of an axis in double precision, and convert them to a dtype and device.

    >>> signal, kernel = torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 10])
    >>> matrices = transforms(Axis(3, 2, 3, 1, 1, 0), torch.float32, torch.device("cpu"))
    >>> numbers = torch.zeros(5)  # four, and the sum of two of them
    >>> numbers[:4] = matrices.signal @ signal
    >>> spread(numbers, 4)
    >>> (collected(numbers * (matrices.kernel @ kernel), 4) @ matrices.output).round().tolist()
    [21.0, 32.0, 3.0]
    """
    period = axis.period
    real = [0] if period % 2 else [0, period // 2]
    paired = slice(1, (period - 1) // 2 + 1)
    signal = _turns(period, -np.arange(axis.signal))
    kernel = _turns(period, axis.dilation * np.arange(axis.kernel))
    output = _turns(period, axis.stride * np.arange(axis.output) - axis.left) / period
    c, d = kernel.real[paired], kernel.imag[paired]
    matrices = (
        [signal.real[real], signal.imag[paired], signal.real[paired]],
        [kernel.real[real], -(c + d), d - c, c],
        [output.real[real], 2 * output.real[paired], -2 * output.imag[paired]],
    )
    with torch.inference_mode(False):  # tensors made during inference must serve training, too
        tensors = [torch.from_numpy(np.concatenate(rows)).to(device, dtype) for rows in matrices]
    return Transforms(float(period), *tensors)


def _turns(period: int, places: np.ndarray) -> np.ndarray:
    """exp(2 pi i q place / period) for q = 0..period / 2, one row per q; remainders keep large products exact."""
    return np.exp(2j * np.pi * (np.outer(np.arange(period // 2 + 1), places) % period) / period)
