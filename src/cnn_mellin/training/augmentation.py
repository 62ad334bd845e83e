"""Augmentation of a batch of features: noise, tempo, random shift, time and frequency warps, masks.

Random numbers are drawn per utterance, from a stream of its own, so that they depend neither on the batch nor on the
device. They are then applied to the whole batch. SpecAugment (warps and masks) is by Park et al., 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cnn_mellin.config.training import TrainingConfig
from cnn_mellin.ops.sizes import size_of
from cnn_mellin.tensor_kind import require_floating, require_whole_numbers

__all__ = ["AugmentationDraw", "augment", "draw_augmentation"]


@dataclass(frozen=True)
class AugmentationDraw:
    """Random values of the augmentation of one utterance of T frames and F coefficients.

    Args:
        noise: (T, F), standard normal noise times its strength, or None.
        stretched_length: number of frames after the change of tempo.
        before, after: number of frames inserted before and after the utterance.
        time_warp, freq_warp: a position in the shifted utterance, and the position that it moves to.
        time_masks, freq_masks: (M, 2), first masked frame or coefficient of each of M masks, and the first after it.
    """

    noise: np.ndarray | None
    stretched_length: int
    before: int
    after: int
    time_warp: tuple[float, float]
    freq_warp: tuple[float, float]
    time_masks: np.ndarray
    freq_masks: np.ndarray


def draw_augmentation(
    config: TrainingConfig, length: int, num_coefficients: int, stream: np.random.Generator
) -> AugmentationDraw:
    """Draw the random values for one utterance.

    Args:
        config: settings of training; for raw audio (one coefficient) tempo, warps and frequency masks are off.
        length: number of frames of the utterance, T.
        num_coefficients: number of coefficients per frame, F.
        stream: random stream of this utterance in this epoch.

    Raises:
        ValueError: a size is not a whole number, or is below 1.
    """
    length, num_coefficients = size_of("length", length), size_of("num_coefficients", num_coefficients)
    raw = num_coefficients == 1
    noise = None
    if config.noise_eps:
        noise = stream.standard_normal((length, num_coefficients), dtype=np.float32)
        noise *= np.float32(config.noise_eps)
    stretched = length
    if config.max_tempo_factor > 1 and not raw:
        widest = math.log(config.max_tempo_factor)
        stretched = max(round(length * math.exp(stream.uniform(-widest, widest))), 1)
    longest_shift = int(config.max_shift_proportion * stretched)
    before, after = stream.integers(0, longest_shift + 1, 2).tolist()
    shifted = stretched + before + after
    num_time_masks = min(config.num_time_mask, int(config.num_time_mask_proportion * shifted))
    widest_time_mask = min(config.max_time_mask, int(config.max_time_mask_proportion * shifted))
    return AugmentationDraw(
        noise,
        stretched,
        before,
        after,
        _draw_warp(0.0 if raw else config.max_time_warp, shifted, stream),
        _draw_warp(0.0 if raw else config.max_freq_warp, num_coefficients, stream),
        _draw_masks(num_time_masks, widest_time_mask, shifted, stream),
        _draw_masks(0 if raw else config.num_freq_mask, config.max_freq_mask, num_coefficients, stream),
    )


def _draw_warp(most: float, size: int, stream: np.random.Generator) -> tuple[float, float]:
    """Random position at least `most` from either end, and another at most `most` away, which it moves to."""
    most = min(most, max(size - 2, 0) / 2)
    point, move = stream.uniform(most, max(size - 1 - most, most)), stream.uniform(-most, most)
    return point, point + move


def _draw_masks(most: int, widest: int, size: int, stream: np.random.Generator) -> np.ndarray:
    """Up to `most` random masks, each up to `widest` wide."""
    count = int(stream.integers(0, most + 1))
    widths = stream.integers(0, min(widest, size) + 1, count)
    starts = np.floor(stream.random(count) * (size - widths + 1)).astype(np.int64)
    return np.stack([starts, starts + widths], axis=1)


def augment(
    features: torch.Tensor, lengths: torch.Tensor, draws: Sequence[AugmentationDraw]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Augment a batch.

    Args:
        features: (N, T, F), zeros past each length.
        lengths: (N,), number of frames of each utterance.
        draws: random values of each of the N utterances.

    Returns:
        features (N, T', F), zeros past each length, and lengths (N,) of the stretched and shifted utterances.

    Raises:
        ValueError: dtypes, shapes or lengths do not match each other or the draws.
    """
    _check(features, lengths, draws)
    lengths = lengths.to("cpu")
    features = _add_noise(features, draws)
    before = torch.tensor([draw.before for draw in draws])
    stretched_lengths = torch.tensor([draw.stretched_length for draw in draws])
    shifted_lengths = stretched_lengths + before + torch.tensor([draw.after for draw in draws])
    features = _shift_and_warp_time(features, lengths, shifted_lengths, before, draws)
    features = _warp_freq(features, draws)
    size = features.size(1)
    frames = torch.arange(size).unsqueeze(0)
    hidden = _masked([draw.time_masks for draw in draws], size) | (frames >= shifted_lengths.unsqueeze(1))
    features = features.masked_fill(hidden.to(features.device).unsqueeze(2), 0)
    if any(len(draw.freq_masks) for draw in draws):
        hidden = _masked([draw.freq_masks for draw in draws], features.size(2))
        features = features.masked_fill(hidden.to(features.device).unsqueeze(1), 0)
    return features, shifted_lengths


def _check(features: torch.Tensor, lengths: torch.Tensor, draws: Sequence[AugmentationDraw]) -> None:
    require_floating("features", features)
    require_whole_numbers("lengths", lengths)
    if features.dim() != 3 or lengths.shape != features.shape[:1] or not len(lengths):
        shapes = f"features {tuple(features.shape)} and lengths {tuple(lengths.shape)}"
        raise ValueError(f"{shapes} do not match; they must be (N, T, F) and (N,), of 1 or more utterances")
    if len(draws) != len(lengths):
        raise ValueError(f"draws has {len(draws)} values for {len(lengths)} utterances; pass one per utterance")
    for i, (length, draw) in enumerate(zip(lengths.tolist(), draws, strict=True)):
        if not 1 <= length <= features.size(1):
            raise ValueError(
                f"lengths[{i}] is {length}, but features have {features.size(1)} frames; it must lie in 1..T"
            )
        if draw.noise is not None and draw.noise.shape != (length, features.size(2)):
            size = f"{length} frames of {features.size(2)} coefficients"
            raise ValueError(f"draws[{i}] has noise of shape {draw.noise.shape}, but the utterance has {size}")


def _add_noise(features: torch.Tensor, draws: Sequence[AugmentationDraw]) -> torch.Tensor:
    noises = [torch.from_numpy(draw.noise) for draw in draws if draw.noise is not None]
    if not noises:
        return features
    noise = torch.nn.utils.rnn.pad_sequence(noises, batch_first=True).to(features)
    return features + noise * features.abs().amax(1, keepdim=True)


def _shift_and_warp_time(
    features: torch.Tensor,
    lengths: torch.Tensor,
    shifted_lengths: torch.Tensor,
    before: torch.Tensor,
    draws: Sequence[AugmentationDraw],
) -> torch.Tensor:
    """Change tempo, shift and warp time in one interpolation; frames beyond either end repeat the end."""
    warped = any(draw.time_warp[0] != draw.time_warp[1] for draw in draws)
    stretched_lengths = torch.tensor([draw.stretched_length for draw in draws])
    stretched = not torch.equal(lengths, stretched_lengths)
    if not warped and not stretched and torch.equal(lengths, shifted_lengths):
        return features
    frames = torch.arange(int(shifted_lengths.max()), dtype=torch.float64)
    positions = frames.expand(len(draws), -1)
    if warped:
        positions = _warp_source(positions, [draw.time_warp for draw in draws], (shifted_lengths - 1).double())
    positions = positions - before.unsqueeze(1)
    if stretched:
        # A frame covers the time around its centre: time is stretched, not the frame's number.
        positions = (positions + 0.5) * (lengths / stretched_lengths).double().unsqueeze(1) - 0.5
    positions = positions.clamp(min=0).minimum((lengths - 1).unsqueeze(1))
    return _interpolate(features, positions, 1)


def _warp_freq(features: torch.Tensor, draws: Sequence[AugmentationDraw]) -> torch.Tensor:
    warps = [draw.freq_warp for draw in draws]
    if all(point == moved for point, moved in warps):
        return features
    last = torch.full((len(draws),), features.size(2) - 1.0, dtype=torch.float64)
    positions = torch.arange(features.size(2), dtype=torch.float64).expand(len(draws), -1)
    return _interpolate(features, _warp_source(positions, warps, last), 2)


def _warp_source(positions: torch.Tensor, warps: Sequence[tuple[float, float]], last: torch.Tensor) -> torch.Tensor:
    """Source position of each position (N, P): piecewise linear; 0 and `last` stay, the warp's position has moved."""
    point, moved = torch.tensor(warps, dtype=torch.float64).T.unsqueeze(2)
    last = last.unsqueeze(1)
    tiny = torch.finfo(torch.float64).tiny
    left = positions * point / moved.clamp(min=tiny)
    right = last - (last - positions) * (last - point) / (last - moved).clamp(min=tiny)
    return torch.where(positions < moved, left, right)


def _interpolate(features: torch.Tensor, positions: torch.Tensor, dim: int) -> torch.Tensor:
    """Features at fractional positions (N, P) along an axis, interpolated linearly."""
    low = positions.floor()
    fraction = (positions - low).to(features)
    low_index = low.long()
    high_index = (low_index + 1).clamp(max=features.size(dim) - 1)
    axes = (len(positions), -1, 1) if dim == 1 else (len(positions), 1, -1)
    shape = [-1, -1, -1]
    shape[3 - dim] = features.size(3 - dim)

    def at(index: torch.Tensor) -> torch.Tensor:
        return features.gather(dim, index.to(features.device).view(axes).expand(shape))

    return torch.lerp(at(low_index), at(high_index), fraction.view(axes))


def _masked(masks: Sequence[np.ndarray], size: int) -> torch.Tensor:
    """Booleans (N, size), true inside any mask of the utterance."""
    steps = np.zeros((len(masks), size + 1), dtype=np.int32)
    for row, mask in zip(steps, masks, strict=True):
        np.add.at(row, mask[:, 0], 1)
        np.add.at(row, mask[:, 1], -1)
    return torch.from_numpy(steps.cumsum(1)[:, :size] > 0)
