"""Banks of filters in frequency."""

from __future__ import annotations

import torch

__all__ = ["hertz_to_mel", "mel_to_hertz", "triangular_mel_filters"]


def hertz_to_mel(hertz: torch.Tensor) -> torch.Tensor:
    """Frequency in mel: 1127 ln(1 + f / 700).

    >>> round(hertz_to_mel(torch.tensor(1000.0)).item())
    1000
    """
    return 1127.0 * torch.log1p(hertz / 700.0)


def mel_to_hertz(mel: torch.Tensor) -> torch.Tensor:
    """Frequency in Hz, the inverse of `hertz_to_mel`."""
    return 700.0 * torch.expm1(mel / 1127.0)


def triangular_mel_filters(
    num_filters: int, low_hz: float, high_hz: float, sample_rate_hz: float, transform_size: int
) -> torch.Tensor:
    """Magnitude responses whose squares are triangles, linear in mel, each from its neighbours' tips.

    Args:
        num_filters: K.
        low_hz, high_hz: where the first begins and the last ends.
        sample_rate_hz: samples a second.
        transform_size: points of the Fourier transform.

    Returns:
        (transform_size // 2 + 1, K), float64: the weight of each bin's magnitude.

    >>> triangular_mel_filters(3, 20, 8000, 16000, 512).amax(0).round(decimals=1).tolist()
    [1.0, 1.0, 1.0]
    """
    ends = hertz_to_mel(torch.tensor([low_hz, high_hz], dtype=torch.float64))
    corners = torch.linspace(float(ends[0]), float(ends[1]), num_filters + 2, dtype=torch.float64)
    bins_hz = torch.arange(transform_size // 2 + 1, dtype=torch.float64) * sample_rate_hz / transform_size
    bins = hertz_to_mel(bins_hz).unsqueeze(1)
    left, tip, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (bins - left) / (tip - left), (right - bins) / (right - tip)
    return torch.minimum(rising, falling).clamp(min=0).sqrt()
