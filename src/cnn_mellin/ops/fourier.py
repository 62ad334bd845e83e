"""Correlation along one axis by transforms: output = inverse(transform of the kernel * transform of the signal).

The transforms are discrete Fourier transforms of a period P in which nothing that is read stands for something else, as
P real numbers. A coefficient and its conjugate are one complex product, and (a + ib)(c + id) = (r + s) + i (t + s) with
r = -b (c + d), t = a (d - c), s = (a + b) c is three real ones: R products in all. So transforms lie in three parts of
equal size behind those that are real, the last of which is the sum of the other two on the way there, and is added to
both on the way back.

Source: the convolution theorem, and Gauss's three products (D. E. Knuth, The Art of Computer Programming 2, 4.6.4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from cnn_mellin.ops.shape_cache import cached_by_shape

__all__ = ["Axis", "Transforms", "collected", "num_products", "spread", "transforms"]


class Axis(NamedTuple):
    """One axis of a correlation: output f reads signal stride f + dilation w - left for each w of the kernel.

    Args:
        signal, kernel, output: lengths, F, W and F'.
        stride, dilation, left: as of the correlation.
    """

    signal: int
    kernel: int
    output: int
    stride: int
    dilation: int
    left: int

    @property
    def period(self) -> int:
        """Long enough that zeros left and right of the signal, where they are read, stay zeros.

        >>> Axis(81, 10, 81, 1, 1, 4).period
        86
        """
        last = self.stride * (self.output - 1) + self.dilation * (self.kernel - 1) - self.left
        return self.signal + max(self.left, last - (self.signal - 1), 0)


class Transforms(NamedTuple):
    """The matrices of one axis.

    Args:
        constant: product 0 where every output is 1 and the other products are 0.
        signal: (P, F); `spread` makes R numbers of them.
        kernel: (R, W).
        output: (P, F'), from the `collected` products to outputs.
    """

    constant: float
    signal: torch.Tensor
    kernel: torch.Tensor
    output: torch.Tensor


def num_products(axis: Axis) -> int:
    """Real products, R.

    >>> num_products(Axis(81, 10, 81, 1, 1, 4)), num_products(Axis(2, 2, 2, 1, 1, 0))
    (128, 4)
    """
    return axis.period + (axis.period - 1) // 2


def collected(products: torch.Tensor, period: int) -> torch.Tensor:
    """From R products to the P numbers that are transformed back, in the same memory.

    >>> collected(torch.tensor([1.0, 2.0, 3.0, 4.0]), 3)
    tensor([1., 6., 7.])
    """
    pairs = (period - 1) // 2
    last = products[period:]
    products[period - 2 * pairs : period - pairs] += last
    products[period - pairs : period] += last
    return products[:period]


def spread(numbers: torch.Tensor, period: int) -> None:
    """Fill the rest of R numbers from the first P of them.

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
    """The matrices of an axis, computed in double precision.

    >>> signal, kernel = torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 10])
    >>> matrices = transforms(Axis(3, 2, 3, 1, 1, 0), torch.float32, torch.device("cpu"))
    >>> numbers = torch.zeros(5)  # four, and the sum of two of them
    >>> numbers[:4] = matrices.signal @ signal
    >>> spread(numbers, 4)
    >>> (collected(numbers * (matrices.kernel @ kernel), 4) @ matrices.output).round().tolist()
    [21.0, 32.0, 3.0]
    """
    period = axis.period
    alone = [0] if period % 2 else [0, period // 2]
    paired = slice(1, (period - 1) // 2 + 1)
    signal = _turns(period, -np.arange(axis.signal))
    kernel = _turns(period, axis.dilation * np.arange(axis.kernel))
    output = _turns(period, axis.stride * np.arange(axis.output) - axis.left) / period
    c, d = kernel.real[paired], kernel.imag[paired]
    matrices = (
        [signal.real[alone], signal.imag[paired], signal.real[paired]],
        [kernel.real[alone], -(c + d), d - c, c],
        [output.real[alone], 2 * output.real[paired], -2 * output.imag[paired]],
    )
    with torch.inference_mode(False):  # what is made for inference must serve training, too
        tensors = [torch.from_numpy(np.concatenate(rows)).to(device, dtype) for rows in matrices]
    return Transforms(float(period), *tensors)


def _turns(period: int, places: np.ndarray) -> np.ndarray:
    """exp(2 pi i q place / period), (q = 0..period / 2, places), by the remainder, so that large ones are exact."""
    return np.exp(2j * np.pi * (np.outer(np.arange(period // 2 + 1), places) % period) / period)
