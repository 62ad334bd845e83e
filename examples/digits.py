"""Spoken digits at speaking rates that training never heard: convolutions in log time against ordinary ones.

Six people say ten digits (the Free Spoken Digit Dataset, https://github.com/Jakobovski/free-spoken-digit-dataset: 3,000
recordings, 22 minutes). Models are trained at the recorded rate and tested on the same recordings made up to five times
shorter or longer. Six arms, each with several seeds:

- `dilated`: four dilated convolutions, the largest output along time;
- `time`: windows of 480 ms, an ordinary correlation of each, the largest output of a window, then along time;
- `log time`: the same windows, kernel, weights and maxima, the correlation in log time;
- each of them `+ tempo`: trained on recordings that are stretched at random, by 0.5 to 2.

`time` is the control of `log time`: they differ in the correlation alone. Two splits: test recordings of the speakers
that were trained on (`shared`), and of speakers that were not (`held-out`, three times two speakers).

    python examples/digits.py RECORDINGS OUT --jobs 2

trains all that is missing in OUT and writes OUT/digits.md and OUT/digits.png; stop it when you like.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from paired_trainings import (
    accuracy_difference,
    add_training_options,
    errors_of,
    plot_by_stretch,
    right_percent,
    run_missing,
    write_results,
)

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.audio.speaking_rate import change_speaking_rate
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.text_table import format_table
from cnn_mellin.layers import LogTimeFrontEnd
from cnn_mellin.random_stream import random_stream, stream_seed
from cnn_mellin.scoring.significance.bootstrap import BootstrapDifference, bootstrap_difference

FEATURES: dict[str, Any] = {
    "name": "stft",
    "bank": {"name": "fbank", "num_filts": 40, "low_hz": 20, "high_hz": 4000, "sampling_rate": 8000},
    "frame_length_ms": 25,
    "frame_shift_ms": 10,
    "include_energy": True,
}
NUM_COEFFICIENTS, NUM_DIGITS = 41, 10
STRETCHES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.5, 5.0)
WAVEFORM_STRETCHES = (0.5, 0.6, 0.8, 1.25, 1.5, 2.0)  # the same by WSOLA, which works on the waveform
TEST_TAKES = range(10)  # of the fifty takes that each speaker has of each digit
TEMPO = (0.5, 2.0)
EPOCHS, BATCH_SIZE, LEARNING_RATE = 12, 32, 2e-3


@dataclass(frozen=True)
class Arm:
    """A kind of model.

    Args:
        front: dilated, time or log time.
        tempo: train on recordings that are stretched at random.
    """

    front: str
    tempo: bool

    @property
    def name(self) -> str:
        """As in tables."""
        return self.front + (" + tempo" if self.tempo else "")


ARMS = [Arm(front, tempo) for tempo in (False, True) for front in ("dilated", "time", "log time")]
FOLDS = {"shared": [()], "held-out": [("george", "jackson"), ("lucas", "nicolas"), ("theo", "yweweler")]}


@dataclass(frozen=True)
class Recording:
    """A digit, said once.

    Args:
        digit: 0 to 9.
        speaker: name.
        take: number of the take, from 0.
        frames: (T, 41), logarithms.
        waveform_stretched: stretch -> (T', 41), of the stretched waveform.
    """

    digit: int
    speaker: str
    take: int
    frames: torch.Tensor
    waveform_stretched: Mapping[float, torch.Tensor]


class Dilated(torch.nn.Module):
    """Four dilated convolutions, the largest output along time."""

    def __init__(self, channels: int = 27) -> None:
        super().__init__()
        sizes = [NUM_COEFFICIENTS, *[channels] * 3]
        self.convolutions = torch.nn.ModuleList(
            torch.nn.Conv1d(size, channels, 5, padding=2 * 2**i, dilation=2**i) for i, size in enumerate(sizes)
        )
        self.out = torch.nn.Linear(channels, NUM_DIGITS)

    def forward(self, signal: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of signals (N, 41, T)."""
        for convolution in self.convolutions:
            signal = torch.relu(convolution(signal))
        return self.out(_largest(signal, lengths))

    def multiply_adds_per_frame(self) -> float:
        """Of the convolutions."""
        return sum(convolution.weight.numel() for convolution in self.convolutions)


class Windowed(torch.nn.Module):
    """Windows, one correlation over them, the largest output of each, and the largest along time."""

    def __init__(self, *, log_time: bool, channels: int = 32) -> None:
        super().__init__()
        self.front = LogTimeFrontEnd(
            NUM_COEFFICIENTS, channels, 12, window_size=48, window_stride=2, kernel_offset=4, log_time=log_time
        )
        self.mix = torch.nn.Conv1d(channels, channels, 1)
        self.out = torch.nn.Linear(channels, NUM_DIGITS)

    def forward(self, signal: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10) of signals (N, 41, T)."""
        hidden = torch.relu(self.mix(torch.relu(self.front(signal))))
        return self.out(_largest(hidden, (lengths - 1) // self.front.window_stride + 1))

    def multiply_adds_per_frame(self) -> float:
        """Of the correlation, whose products overlapping windows share, and of the pointwise convolution."""
        return self.front.weight.numel() + self.mix.weight.numel() / self.front.window_stride


def _largest(signal: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    beyond = torch.arange(signal.size(2)) >= lengths.unsqueeze(1)
    return signal.masked_fill(beyond.unsqueeze(1), -torch.inf).amax(2)


def build(arm: Arm, seed: int) -> Dilated | Windowed:
    """A model with the initial weights of a seed."""
    torch.manual_seed(stream_seed(seed, "weights"))
    return Dilated() if arm.front == "dilated" else Windowed(log_time=arm.front == "log time")


def stretched(frames: torch.Tensor, stretch: float) -> torch.Tensor:
    """Frames (T, F) made so many times longer, linear between neighbours.

    >>> stretched(torch.tensor([[0.0], [3.0]]), 2.0).flatten().tolist()
    [0.0, 0.75, 2.25, 3.0]
    """
    length = max(round(len(frames) * stretch), 1)
    if length == len(frames):
        return frames
    return torch.nn.functional.interpolate(frames.T[None], size=length, mode="linear", align_corners=False)[0].T


def collate(frames: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Signals (N, 41, T), zeros past each length, and lengths (N,)."""
    padded = torch.nn.utils.rnn.pad_sequence(list(frames), batch_first=True)
    return padded.transpose(1, 2).contiguous(), torch.tensor([len(item) for item in frames])


def read_recordings(folder: Path, cache: Path) -> list[Recording]:
    """All files DIGIT_SPEAKER_TAKE.wav or .flac below a folder; features are kept in a cache."""
    pattern = re.compile(r"([0-9])_([a-z]+)_([0-9]+)\.(?:wav|flac)")
    found = [(match, path) for path in sorted(folder.rglob("*")) if (match := pattern.fullmatch(path.name))]
    if not found:
        raise SystemExit(f"{folder}: holds no file DIGIT_SPEAKER_TAKE.wav or .flac; name the folder of the recordings")
    state = repr((FEATURES, WAVEFORM_STRETCHES, [(path.name, path.stat().st_size) for _, path in found]))
    key = hashlib.sha256(state.encode()).hexdigest()
    stored = torch.load(cache, weights_only=True) if cache.exists() else {}
    if stored.get("key") != key:
        print(f"computing features of {len(found)} recordings, at {1 + len(WAVEFORM_STRETCHES)} rates", flush=True)
        extractor = FeatureExtractor.from_config(FEATURES, "digits")
        stored = {"key": key, "features": []}
        for _, path in found:
            samples = read_audio(path, sample_rate_hz=8000)
            rates = (1.0, *(1 / stretch for stretch in WAVEFORM_STRETCHES))
            changed = [change_speaking_rate(samples, rate, sample_rate_hz=8000) for rate in rates]
            stored["features"].append([torch.log(extractor(torch.from_numpy(x)) + 10) for x in changed])
        torch.save(stored, cache)
    return [
        Recording(int(match[1]), match[2], int(match[3]), frames, dict(zip(WAVEFORM_STRETCHES, others, strict=True)))
        for (match, _), (frames, *others) in zip(found, stored["features"], strict=True)
    ]


def train(arm: Arm, recordings: Sequence[Recording], seed: int, epochs: int) -> tuple[Dilated | Windowed, torch.Tensor]:
    """A trained model, and (2, 41): mean and standard deviation that frames are normalised with."""
    model = build(arm, seed)
    everything = torch.cat([recording.frames for recording in recordings])
    norm = torch.stack([everything.mean(0), everything.std(0)])
    normalised = [(recording.frames - norm[0]) / norm[1] for recording in recordings]
    digits = torch.tensor([recording.digit for recording in recordings])
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    for epoch in range(epochs):
        order = random_stream(seed, "order", epoch).permutation(len(recordings))
        tempos = np.ones(len(recordings))
        if arm.tempo:
            tempos = np.exp(random_stream(seed, "tempo", epoch).uniform(*np.log(TEMPO), len(recordings)))
        for first in range(0, len(order), BATCH_SIZE):
            batch = order[first : first + BATCH_SIZE]
            signals, lengths = collate([stretched(normalised[i], float(tempos[i])) for i in batch])
            loss = torch.nn.functional.cross_entropy(model(signals, lengths), digits[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model, norm


@torch.inference_mode()
def wrong_by_speaker(
    model: Dilated | Windowed, norm: torch.Tensor, recordings: Sequence[Recording]
) -> dict[str, dict[str, list[int]]]:
    """Condition -> speaker -> errors and recordings."""
    conditions = {f"{stretch:g}": [stretched(r.frames, stretch) for r in recordings] for stretch in STRETCHES}
    conditions |= {f"waveform {s:g}": [r.waveform_stretched[s] for r in recordings] for s in WAVEFORM_STRETCHES}
    counts: dict[str, dict[str, list[int]]] = {}
    for condition, frames in conditions.items():
        of_speaker = counts.setdefault(condition, {})
        for first in range(0, len(recordings), 100):
            batch = recordings[first : first + 100]
            signals, lengths = collate([(f - norm[0]) / norm[1] for f in frames[first : first + 100]])
            for recording, digit in zip(batch, model(signals, lengths).argmax(1).tolist(), strict=True):
                count = of_speaker.setdefault(recording.speaker, [0, 0])
                count[0] += digit != recording.digit
                count[1] += 1
    return counts


def run(arm: Arm, split: str, seed: int, epochs: int, folder: Path, cache: Path) -> dict[str, Any]:
    """Train and test an arm with one seed on every fold of a split."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    recordings = read_recordings(folder, cache)
    counts: dict[str, dict[str, list[int]]] = {}
    for held_out in FOLDS[split]:
        if held_out:
            training = [r for r in recordings if r.speaker not in held_out]
            testing = [r for r in recordings if r.speaker in held_out]
        else:
            training = [r for r in recordings if r.take not in TEST_TAKES]
            testing = [r for r in recordings if r.take in TEST_TAKES]
        for condition, of_speaker in wrong_by_speaker(*train(arm, training, seed, epochs), testing).items():
            counts.setdefault(condition, {}).update(of_speaker)
    return {"arm": arm.name, "split": split, "seed": seed, "counts": counts, "seconds": time.perf_counter() - began}


def run_all(arguments: argparse.Namespace) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """(Split, arm) -> results of each seed; those that OUT holds are not computed again."""
    folder, out = arguments.recordings, arguments.out
    (out / "runs").mkdir(parents=True, exist_ok=True)
    cache = out / "features.pt"
    read_recordings(folder, cache)
    trainings = {
        ((split, arm.name), seed): (
            out / "runs" / f"{split}-{arm.name.replace(' ', '')}-{arguments.epochs}-{seed}.json",
            partial(run, arm, split, seed, arguments.epochs, folder, cache),
        )
        for seed in range(1, arguments.seeds + 1)
        for split in arguments.splits
        for arm in ARMS
    }
    return run_missing(trainings, arguments.jobs, _about)


def _about(result: Mapping[str, Any]) -> str:
    who = f"{result['split']}, {result['arm']}, seed {result['seed']}"
    return f"{who}: {right_percent(result, '1'):.1f} % right at stretch 1"


def difference(
    results: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], split: str, condition: str, tempo: str
) -> BootstrapDifference:
    """Error rate of log time less that of time, over speakers and paired seeds."""
    pair = [errors_of(results[split, front + tempo], condition) for front in ("time", "log time")]
    return bootstrap_difference(*pair, paired_seeds=True)


def report(results: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], splits: Sequence[str]) -> Iterator[str]:
    """Paragraphs of Markdown."""
    rows = []
    for arm in ARMS:
        model = build(arm, 1)
        weights = sum(parameter.numel() for parameter in model.parameters())
        rows.append([arm.name, f"{weights:,}", f"{model.multiply_adds_per_frame():,.0f}"])
    yield format_table(["arm", "weights, all live", "multiply-adds per frame"], rows, "markdown")
    for split in splits:
        for kind, stretches in (("", STRETCHES), ("waveform ", WAVEFORM_STRETCHES)):
            conditions = [f"{kind}{stretch:g}" for stretch in stretches]
            how = "waveforms stretched by WSOLA" if kind else "stretched frames"
            num_seeds = len(results[split, ARMS[0].name])
            yield f"Right, % ({split} speakers, {how}, mean of {num_seeds} seeds):"
            rows = []
            for arm in ARMS:
                means = [100 - errors_of(results[split, arm.name], condition).percent for condition in conditions]
                rows.append([arm.name, *(f"{mean:.1f}" for mean in means)])
            for tempo in ("", " + tempo"):
                cells = []
                for condition in conditions:
                    cells.append(accuracy_difference(difference(results, split, condition, tempo)))
                rows.append([f"log time - time{tempo}", *cells])
            yield format_table(["stretch", *(f"{stretch:g}" for stretch in stretches)], rows, "markdown")
    yield "Differences in points, with 95 % intervals from a bootstrap over speakers and paired seeds."


def draw(results: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], splits: Sequence[str], path: Path) -> None:
    """Draw accuracy against stretch: means as lines, the range of the seeds as bands."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(splits), figsize=(5.5 * len(splits), 4), sharey=True, squeeze=False)
    colours = {"dilated": "#777777", "time": "#d1642e", "log time": "#0b5394"}
    for axis, split in zip(axes[0], splits, strict=True):
        for arm in ARMS:
            percents = np.array([[right_percent(r, f"{s:g}") for s in STRETCHES] for r in results[split, arm.name]])
            style = {"linestyle": "--" if arm.tempo else "-", "color": colours[arm.front], "label": arm.name}
            plot_by_stretch(axis, STRETCHES, percents, **style)
        axis.set_title(f"{split} speakers")
    axes[0, 0].set_ylabel("right, %")
    axes[0, 0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, metavar="RECORDINGS", help="folder of DIGIT_SPEAKER_TAKE.wav or .flac")
    add_training_options(parser, EPOCHS)
    parser.add_argument("--splits", nargs="+", default=list(FOLDS), choices=list(FOLDS), help="(default: both)")
    chosen = parser.parse_args(arguments)
    results = run_all(chosen)
    write_results(chosen.out, "digits", report(results, chosen.splits), lambda path: draw(results, chosen.splits, path))


if __name__ == "__main__":
    main()
