"""Feature extraction as a torch module."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from cnn_mellin.errors import SettingsError
from cnn_mellin.features.bank import Bank, spectrum_weights
from cnn_mellin.features.configuration import (
    SiConfig,
    StftConfig,
    as_content,
    feature_configuration,
    read_configuration,
    shipped_configuration,
)
from cnn_mellin.features.short_integration import ShortIntegration
from cnn_mellin.features.window import window
from cnn_mellin.ops.tracing import is_readable
from cnn_mellin.tensor_kind import require_floating, require_whole_numbers

__all__ = ["FeatureExtractor"]

_LOG_FLOOR = 1e-5
# Frames per transform: enough to be fast, few enough that an hour of audio needs little memory.
_FRAMES_AT_ONCE = 4096


class FeatureExtractor(torch.nn.Module):
    """Computes frames of coefficients from samples; differentiable, so that it may be part of a model.

    Use `from_json` or `named` to make one. Samples are in the units of 16-bit integers (full scale 32768), as from
    `read_audio`. Sample i * shift is the middle of frame i if frames are centered, and its start if they are causal.
    Beyond either end, the signal is mirrored for Fourier transforms and zero for short integration.

    Args:
        config: configuration, or None for raw audio, where each sample is a frame of one coefficient.

    Attributes:
        num_coefficients: number of coefficients per frame, F.
        frame_shift_ms: time between the starts of adjacent frames.
        sample_rate_hz: sample rate that signals must have.

    >>> extractor = FeatureExtractor.named("fbank-81-10ms")
    >>> extractor(torch.zeros(16000)).shape
    torch.Size([100, 81])
    """

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self, config: StftConfig | SiConfig | None) -> None:
        super().__init__()
        self.config = config
        if config is None:
            self.num_coefficients, self.frame_shift_ms, self.sample_rate_hz = 1, 1000 / 16000, 16000
            return
        self.sample_rate_hz = int(config.bank.sampling_rate)
        self.frame_shift_ms = config.frame_shift_ms
        self.num_coefficients = config.bank.num_filts + config.include_energy
        bank = config.bank.build()
        self._short_integration = ShortIntegration(config, bank) if isinstance(config, SiConfig) else None
        if isinstance(config, StftConfig):
            self._prepare_transform(config, bank)

    def _prepare_transform(self, config: StftConfig, bank: Bank) -> None:
        rate = config.bank.sampling_rate
        if config.frame_length_ms is None:
            longest = max(right - left for left, right in bank.supports)
            # With a shorter transform, some filter would have no bin.
            narrowest_hz = min(high - low for low, high in bank.supports_hz)
            self._length = max(longest, math.ceil(2 * rate / narrowest_hz))
        else:
            self._length = int(0.001 * config.frame_length_ms * rate)
        self._shift = int(0.001 * config.frame_shift_ms * rate)
        if not config.centered(bank):
            self._before = 0
        elif config.kaldi_shift:
            self._before = self._length // 2 - self._shift // 2
        else:
            self._before = (self._length + 1) // 2 - 1
        if self._before < 0:
            raise SettingsError(
                f"frame_shift_ms = {config.frame_shift_ms:g}: kaldi_shift needs frames at least as long as the shift"
            )
        size = self._length
        if config.pad_to_nearest_power_of_two:
            size = 1 << (size - 1).bit_length()
        self._transform_size = size
        weights = window(config.window(bank).name, self._length, **config.window(bank).shape())
        filters = torch.from_numpy(spectrum_weights(bank, size, power=config.use_power))
        self.register_buffer("window", torch.from_numpy(weights), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    @classmethod
    def from_json(cls, path: str | Path) -> FeatureExtractor:
        """Make the extractor that a JSON file describes.

        Raises:
            SettingsError: the file cannot be read, or its content is not valid.
        """
        return cls.from_config(read_configuration(path), str(path))

    @classmethod
    def from_config(cls, content: dict[str, Any], source: str = "features") -> FeatureExtractor:
        """Make the extractor that the content of a JSON file describes; `source` is its name, for messages.

        Raises:
            SettingsError: the content is not valid.
        """
        return cls(feature_configuration(content, source))

    @classmethod
    def named(cls, feature_type: str) -> FeatureExtractor:
        """Make the extractor of a shipped feature type, such as fbank-81-10ms or raw.

        Raises:
            SettingsError: the type is unknown.
        """
        content = shipped_configuration(feature_type)
        return cls.from_config(content, feature_type) if content else cls(None)

    @classmethod
    def load(cls, features: str | Path) -> FeatureExtractor:
        """Make the extractor of NAME.json or, without that suffix, of a shipped feature type.

        Raises:
            SettingsError: the file cannot be read, its content is not valid, or the type is unknown.

        >>> FeatureExtractor.load("sigbank-41-2ms").frame_shift_ms
        2.0
        """
        return cls.from_json(features) if str(features).endswith(".json") else cls.named(str(features))

    @property
    def configuration(self) -> dict[str, Any]:
        """All keys and values of the configuration; empty for raw audio."""
        return {} if self.config is None else as_content(self.config)

    def num_frames(self, num_samples: int) -> int:
        """Number of frames of a signal: (num_samples + shift // 2) // shift.

        For Fourier transforms, a signal of at most half a frame is too short, and has no frames.

        >>> FeatureExtractor.named("fbank-81-10ms").num_frames(16000)
        100
        """
        if self.config is None:
            return num_samples
        if self._short_integration is not None:
            return self._short_integration.num_frames(num_samples)
        return (num_samples + self._shift // 2) // self._shift if num_samples > self._length // 2 else 0

    def forward(
        self, signal: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Compute the features of one signal or of a batch.

        Finiteness is checked only on the CPU, and not under torch.compile, torch.export and torch.vmap.

        Args:
            signal: one signal (S,), or a batch (N, S) with `lengths`; float32 or float64.
            lengths: number of samples of each signal, (N,).

        Returns:
            Features (T, F). For a batch, features (N, T, F), zero past each length, and lengths (N,) in frames.

        Raises:
            ValueError: a dtype or shape is wrong, a length lies outside 0..S, or a sample is not finite.
        """
        self._check_signal(signal)
        if lengths is None:
            if signal.dim() != 1:
                raise ValueError(f"signal has shape {tuple(signal.shape)}; it must be (samples,), or pass lengths")
            return self._features(signal)
        require_whole_numbers("lengths", lengths)
        if signal.dim() != 2 or lengths.shape != signal.shape[:1]:
            shapes = f"signal {tuple(signal.shape)} and lengths {tuple(lengths.shape)}"
            raise ValueError(f"{shapes} do not fit; they must be (N, samples) and (N,)")
        if lengths.numel() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= signal.size(1):
            raise ValueError(
                f"lengths lie in {int(lengths.min())}..{int(lengths.max())}, outside 0..{signal.size(1)}, the samples "
                "of signal"
            )
        features = [self._features(row[:length]) for row, length in zip(signal, lengths.tolist(), strict=True)]
        padded = torch.nn.utils.rnn.pad_sequence(features, batch_first=True)
        return padded, torch.tensor([len(frames) for frames in features], device=lengths.device)

    def _check_signal(self, signal: torch.Tensor) -> None:
        require_floating("signal", signal)
        if signal.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"signal has dtype {signal.dtype}; it must be float32 or float64: use signal.float()")
        # If the sum is finite, so are all samples; it may also overflow.
        if is_readable(signal) and not math.isfinite(float(signal.detach().sum())):
            broken = (~signal.isfinite()).nonzero()
            if len(broken):
                place = ", ".join(map(str, broken[0].tolist()))
                raise ValueError(
                    f"signal[{place}] is {float(signal[tuple(broken[0])])}; samples must be finite "
                    f"({len(broken)} are not): is the recording damaged?"
                )

    def _features(self, signal: torch.Tensor) -> torch.Tensor:
        config = self.config
        if config is None:
            return signal.unsqueeze(1)
        if self._short_integration is not None:
            features: torch.Tensor = self._short_integration(signal)
            return features
        assert isinstance(config, StftConfig)
        num_frames = self.num_frames(len(signal))
        if not num_frames:
            return signal.new_zeros(0, self.num_coefficients)
        padded = self._mirrored(signal, self._before, (num_frames - 1) * self._shift + self._length)
        frames = padded.unfold(0, self._length, self._shift)
        return torch.cat([self._coefficients(some, config) for some in torch.split(frames, _FRAMES_AT_ONCE)])

    def _mirrored(self, signal: torch.Tensor, before: int, total: int) -> torch.Tensor:
        """Extend the signal by mirroring: `total` samples, from `before` samples before its start."""
        size = len(signal)
        if before <= size and total - before - size <= size:
            after = max(total - before - size, 0)
            parts = [signal[:before].flip(0), signal, signal[size - after :].flip(0)]
            return torch.cat(parts)[:total]
        places = torch.arange(-before, total - before, device=signal.device) % (2 * size)
        return signal[torch.where(places < size, places, 2 * size - 1 - places)]

    def _coefficients(self, frames: torch.Tensor, config: StftConfig) -> torch.Tensor:
        spectrum = torch.fft.rfft(frames * self.window.to(frames.dtype), self._transform_size).abs()
        if config.use_power:
            spectrum = spectrum.square()
        coefficients: torch.Tensor = spectrum @ self.filters.to(frames.dtype)
        if config.include_energy:
            energy = frames.square().mean(1, keepdim=True)
            if not config.use_power:
                audible = energy > 0  # in silence, the gradient of the square root would be infinite
                energy = torch.where(audible, energy, 1).sqrt() * audible
            coefficients = torch.cat([energy, coefficients], 1)
        return coefficients.clamp(min=_LOG_FLOOR).log() if config.use_log else coefficients
