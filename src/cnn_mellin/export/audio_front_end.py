"""Features of a signal of any length by operations that ONNX has: products and convolutions instead of FFTs."""

from __future__ import annotations

import math

import torch

from cnn_mellin.features import FeatureExtractor
from cnn_mellin.features.configuration import StftConfig

__all__ = ["front_end"]

_LOG_FLOOR = 1e-5


def front_end(extractor: FeatureExtractor) -> torch.nn.Module:
    """Build a module from (samples,) to (T, F) that computes the extractor's features up to rounding.

    Its graph contains no length, so a trace with one signal is valid for all. Signals must have at least `min_samples`,
    enough for one frame. `num_frames(samples)` is T for a signal of any length.
    """
    if extractor.config is None:
        return _Raw()
    return _Transform(extractor) if isinstance(extractor.config, StftConfig) else _Integration(extractor)


class _Raw(torch.nn.Module):
    min_samples = 1

    def num_frames(self, num_samples: torch.Tensor) -> torch.Tensor:
        return num_samples

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return signal.unsqueeze(1)


class _Transform(torch.nn.Module):
    """Short-time Fourier transform: products of windowed frames with cosines and sines."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        assert isinstance(extractor.config, StftConfig)
        self._config = extractor.config
        self._before, self._shift = extractor._before, extractor._shift
        self._length = length = extractor._length
        # The first frame needs half a shift, and more than half its own length.
        self.min_samples = max(self._shift - self._shift // 2, length // 2 + 1)
        samples = torch.arange(length, dtype=torch.float64).unsqueeze(1)
        bins = torch.arange(len(extractor.filters), dtype=torch.float64)
        # Whole turns are subtracted before the angle is computed, which keeps it exact.
        angles = 2 * math.pi * ((samples * bins) % extractor._transform_size) / extractor._transform_size
        window = extractor.window.double().unsqueeze(1)
        self._cosines = (window * angles.cos()).float()
        self._sines = (window * angles.sin()).float()
        self._filters = extractor.filters.float()

    def num_frames(self, num_samples: torch.Tensor) -> torch.Tensor:
        return (num_samples + self._shift // 2) // self._shift * (num_samples >= self.min_samples)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        size, shift = signal.shape[0], self._shift
        num_frames = (size + shift // 2) // shift
        starts = torch.arange(num_frames).unsqueeze(1) * shift
        places = (starts + torch.arange(self._length) - self._before + 2 * self._length * size) % (2 * size)
        frames = signal[torch.where(places < size, places, 2 * size - 1 - places)]
        spectrum = (frames @ self._cosines).square() + (frames @ self._sines).square()
        if not self._config.use_power:
            spectrum = spectrum.sqrt()
        coefficients = spectrum @ self._filters
        if self._config.include_energy:
            energy = frames.square().mean(1, keepdim=True)
            energy = energy if self._config.use_power else energy.sqrt()
            coefficients = torch.cat([energy, coefficients], 1)
        return coefficients.clamp(min=_LOG_FLOOR).log() if self._config.use_log else coefficients


class _Integration(torch.nn.Module):
    """Short integration: filters as convolutions in time, magnitudes, and weighted sums over two shifts."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        source = extractor._short_integration
        assert source is not None
        self._config, self._shift = source._config, source._shift
        start = source._center - self._shift if source._centered else source._center
        self._before = source._length - 1 - start
        self._energy_before = self._shift if source._centered else 0
        self._overlap = source._length - 1
        # One frame less if causal filters end within a shift: see `ShortIntegration.num_frames`.
        self._fewer = int(not (source._centered or source._length - 1 - source._center >= self._shift))
        self.min_samples = (1 + self._fewer) * self._shift - self._shift // 2
        reversed_in_time = source.responses.flip(1)
        filters = [reversed_in_time]
        if reversed_in_time.is_complex():
            filters = [reversed_in_time.real, reversed_in_time.imag]
        self._filters = [component.float().unsqueeze(1).contiguous() for component in filters]
        self._weights = source.window.float().view(2, self._shift).T.contiguous()

    def num_frames(self, num_samples: torch.Tensor) -> torch.Tensor:
        return ((num_samples + self._shift // 2) // self._shift - self._fewer) * (num_samples >= self.min_samples)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        size, shift = signal.shape[0], self._shift
        num_shifts = (size + shift // 2) // shift + 1 - self._fewer
        reach = _cut(signal, self._before, num_shifts * shift + self._overlap)[None, None]
        power = torch.stack(
            [torch.nn.functional.conv1d(reach, component)[0].square() for component in self._filters]
        ).sum(0)
        frames = self._integrated(power if self._config.use_power else power.sqrt())
        if self._config.include_energy:
            early = _cut(signal, self._energy_before, num_shifts * shift).unsqueeze(0)
            energy = self._integrated(early.square() if self._config.use_power else early.abs())
            frames = torch.cat([energy, frames], 1)
        return frames.clamp(min=_LOG_FLOOR).log() if self._config.use_log else frames

    def _integrated(self, values: torch.Tensor) -> torch.Tensor:
        """Weighted sums over two shifts each, (K, shifts * shift) -> (T, K)."""
        halves = values.reshape(values.shape[0], -1, self._shift) @ self._weights
        return (halves[:, :-1, 0] + halves[:, 1:, 1]).T


def _cut(signal: torch.Tensor, before: int, total: int) -> torch.Tensor:
    """Cut `total` samples, from `before` samples before the signal; zeros outside it."""
    places = torch.arange(total) - before
    size = signal.shape[0]
    inside = (places >= 0) & (places < size)
    return signal[places.clamp(min=0) % size] * inside
