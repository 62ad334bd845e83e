"""Short integration: filter in time, take magnitudes, and integrate them over frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from cnn_mellin.features.bank import Bank
from cnn_mellin.features.configuration import SiConfig
from cnn_mellin.features.window import window

__all__ = ["ShortIntegration"]

# Minimum size of the filtering transforms: the fastest one on a CPU for 16 kHz speech.
_TRANSFORM_SIZE = 4096


class ShortIntegration(torch.nn.Module):
    """Computes frames of magnitudes of filtered signals, weighted by a window over two shifts.

    Let x be the signal (zero outside), h_k filter k, c the index of its sample 0, and S the shift. Then
    y_k = |x * h_k|, and frame i is the sum of y_k[c - S + i S ... c + S - 1 + i S] times the window; causal frames
    start at c + i S. The energy, which precedes the filters, integrates |x| likewise.

    Args:
        config: settings.
        bank: filters.
    """

    responses: torch.Tensor
    window: torch.Tensor

    def __init__(self, config: SiConfig, bank: Bank) -> None:
        super().__init__()
        rate = config.bank.sampling_rate
        self._config = config
        self._shift = int(0.001 * config.frame_shift_ms * rate)
        self._centered = config.centered(bank)
        if self._centered:
            self._length = max(right - left for left, right in bank.supports)
            self._center = self._length // 2
        else:
            self._center = max(0, *(-left for left, _ in bank.supports))
            self._length = max(0, *(right for _, right in bank.supports)) + self._center
        # The size determines how responses alias, and thereby the features, not only the speed.
        size = max(
            self._length + self._shift - 1,
            int(np.ceil(2 * rate / min(high - low for low, high in bank.supports_hz))),
        )
        if config.pad_to_nearest_power_of_two:
            size = 1 << (size - 1).bit_length()
        responses = []
        for index, (left, right) in enumerate(bank.supports):
            moved = self._center - (left + right) // 2 + 1 if self._centered else self._center
            responses.append(np.roll(bank.impulse_response(index, size), moved)[: self._length])
        self.register_buffer("responses", torch.from_numpy(np.stack(responses)), persistent=False)
        weights = window(config.window(bank).name, 2 * self._shift, **config.window(bank).shape())
        self.register_buffer("window", torch.from_numpy(weights), persistent=False)
        self._spectra: dict[tuple[torch.dtype, torch.device], torch.Tensor] = {}
        transform = max(_TRANSFORM_SIZE, 1 << (2 * (self._length + self._shift) - 1).bit_length())
        self._transform_size = transform
        # A multiple of the shift, so that the pieces of a signal meet between two shifts.
        self._piece = (transform - self._length + 1) // self._shift * self._shift

    def num_frames(self, num_samples: int) -> int:
        """Number of frames of a signal of `num_samples` samples."""
        frames = (num_samples + self._shift // 2) // self._shift
        if self._centered or self._length - 1 - self._center >= self._shift:
            return frames
        # Causal filters that end within a shift do not reach the end of the last frame.
        return max(frames - 1, 0)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Compute the features (T, F) of a signal (S,)."""
        num_frames = self.num_frames(len(signal))
        coefficients = len(self.responses) + self._config.include_energy
        if not num_frames:
            return signal.new_zeros(0, coefficients)
        if torch.is_grad_enabled() and signal.requires_grad:
            return torch.cat(list(self._blocks(signal, num_frames, None)))
        spectra = self._spectrum(signal)
        frames = signal.new_empty(num_frames, coefficients)
        done = 0
        for block in self._blocks(signal, num_frames, (torch.empty_like(spectra), torch.empty_like(spectra))):
            frames[done : done + len(block)] = block
            done += len(block)
        return frames

    def _blocks(
        self, signal: torch.Tensor, num_frames: int, buffers: tuple[torch.Tensor, torch.Tensor] | None
    ) -> Iterator[torch.Tensor]:
        """Iterate over blocks of frames (T_block, F), so that the working memory does not grow with the signal."""
        shift, size, piece = self._shift, self._transform_size, self._piece
        spectra = self._spectrum(signal)
        weights = self.window.to(signal.dtype).view(2, shift).T.contiguous()
        # y[start], the first value that is used, needs `length - 1` samples before it.
        start = self._center - shift if self._centered else self._center
        before = self._length - 1 - start
        shifts_left = num_frames + 1
        begun: torch.Tensor | None = None  # first half of the frame that the latest shift started, (F, 1)
        for first in range(0, shifts_left * shift, piece):
            num_shifts = min(piece // shift, shifts_left)
            shifts_left -= num_shifts
            halves = self._halves(_cut(signal, first - before, size), spectra, weights, buffers)[:, :num_shifts]
            if self._config.include_energy:
                early = _cut(signal, first - (shift if self._centered else 0), num_shifts * shift)
                early = early.square() if self._config.use_power else early.abs()
                halves = torch.cat([(early.view(num_shifts, shift) @ weights).unsqueeze(0), halves])
            begins, ends = halves[:, :-1, 0], halves[:, 1:, 1]
            if begun is not None:
                begins, ends = torch.cat([begun, begins], 1), halves[:, :, 1]
            begun = halves[:, -1:, 0]
            frames = (begins + ends).T
            yield frames.clamp(min=1e-5).log() if self._config.use_log else frames

    def _halves(
        self,
        piece: torch.Tensor,
        spectra: torch.Tensor,
        weights: torch.Tensor,
        buffers: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> torch.Tensor:
        """Contributions (K, shifts, 2) of each shift of a piece to the frame that starts and the frame that ends there.

        With buffers, of the shape of `spectra`, nothing is stored for gradients.
        """
        product, filtered = buffers or (None, None)
        product = torch.mul(spectra, torch.fft.fft(piece), out=product)
        filtered = torch.fft.ifft(product, out=filtered)
        valid = filtered[:, self._length - 1 : self._length - 1 + self._piece]
        if self._config.use_power or buffers is not None:
            modulus = torch.addcmul(valid.real.square(), valid.imag, valid.imag)
            modulus = modulus if self._config.use_power else modulus.sqrt_()
        else:
            modulus = valid.abs()  # slower than the square root, but its gradient is zero in silence
        return modulus.view(len(spectra), -1, self._shift) @ weights

    def _spectrum(self, signal: torch.Tensor) -> torch.Tensor:
        """Spectra (K, transform size) of the filters in the precision of the signal, cached between calls."""
        key = (signal.dtype, self.responses.device)
        if key not in self._spectra:
            with torch.inference_mode(False), torch.no_grad():
                full = torch.fft.fft(self.responses, self._transform_size)
                self._spectra[key] = full.to(torch.complex64 if signal.dtype == torch.float32 else torch.complex128)
        return self._spectra[key]


def _cut(signal: torch.Tensor, first: int, count: int) -> torch.Tensor:
    """Cut `count` samples from sample `first` on, which may be negative; zeros outside the signal."""
    inside = signal[max(first, 0) : max(first + count, 0)]
    before = min(max(-first, 0), count)
    if len(inside) == count:
        return inside
    return torch.nn.functional.pad(inside, (before, count - before - len(inside)))
