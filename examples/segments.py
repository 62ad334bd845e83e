"""Phones at their labelled onsets, at durations that training never heard: the layer told from the anchoring.

A layer in log time turns a change of speaking rate into a shift only if its window begins where the sound begins.
Models of utterances cut windows on a grid; here each window is anchored at the onset of a phone that hand labels give,
and the phone is to be recognised from that window. Silences are left out, phones are folded to the usual 39. Arms:

- `80 ms`, `160 ms`, `240 ms`: length of the window, whose largest output counts;
- `80 ms side by side`: all four outputs of the window, which keeps their places in it;
- `time` and `log time`: the same windows, kernel, weights and pooling, the correlation ordinary or in log time;
- `from frame 1`: log time with kernel offset 1, which sees the first frames, too; the control is the same;
- each of them `+ tempo`: trained on segments that are stretched at random, by 0.5 to 2.

Test segments are of other speakers, as they were spoken and stretched about their onset by 0.4 to 2.5; in fifths by
natural duration, relative to others of the same phone; and all of this once more with anchors that are wrong by up to
40 ms. A test segment, its stretch and its wrong anchor are the same for all arms and seeds.

    python examples/segments.py CORPUS OUT

trains all that is missing in OUT and writes OUT/segments.md and OUT/segments.png; stop it when you like. CORPUS is a
folder of TIMIT or of its layout, such as `cnn-mellin corpus demo` makes.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

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
from cnn_mellin.corpora import read_timit, timit_partitions
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.phone_sets import folding_to
from cnn_mellin.formats.text_table import format_table
from cnn_mellin.layers import LogTimeFrontEnd
from cnn_mellin.random_stream import random_stream, stream_seed
from cnn_mellin.scoring.significance.bootstrap import bootstrap_difference

SAMPLE_RATE_HZ, FRAME_SHIFT_MS = 16000, 10
FEATURES: dict[str, Any] = {
    "name": "stft",
    "bank": {"name": "fbank", "num_filts": 40, "low_hz": 20, "high_hz": 8000, "sampling_rate": SAMPLE_RATE_HZ},
    "frame_length_ms": 25,
    "frame_shift_ms": FRAME_SHIFT_MS,
    "frame_style": "centered",
    "include_energy": True,
}
NUM_COEFFICIENTS = 41
SILENCE = "sil"
SEGMENTS = {"train": 8000, "test": 3000}  # at most so many are drawn
STRETCHES = (0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5)
FIFTHS = ("shortest fifth", "second", "third", "fourth", "longest fifth")
LARGEST_SHIFT_MS = 40
ANCHORS = {"": "anchored at the onset", "shifted ": f"anchors wrong by up to {LARGEST_SHIFT_MS} ms"}
TEMPO = (0.5, 2.0)
EPOCHS, BATCH_SIZE, LEARNING_RATE = 8, 64, 2e-3


@dataclass(frozen=True)
class Window:
    """Sizes of the models with windows of one length, in frames.

    Args:
        size: frames of a window.
        kernel: rows of the kernel.
        offset: kernel offset; log time compares the ratios offset to offset + kernel - 1.
        pooling: pooling over the outputs of a window; None keeps them side by side.
    """

    size: int
    kernel: int
    offset: int
    pooling: Literal["max"] | None = "max"


_FROM_START = " from frame 1"
WINDOWS = {
    "80 ms": Window(8, 5, 2),
    "80 ms from frame 1": Window(8, 5, 1),
    "80 ms side by side": Window(8, 5, 2, None),
    "160 ms": Window(16, 8, 4),
    "160 ms from frame 1": Window(16, 8, 1),
    "240 ms": Window(24, 12, 4),
    "240 ms from frame 1": Window(24, 12, 1),
}


@dataclass(frozen=True)
class Arm:
    """A kind of model.

    Args:
        window: one of WINDOWS.
        log_time: correlate in log time.
        tempo: train on segments that are stretched at random.
    """

    window: str
    log_time: bool
    tempo: bool

    @property
    def name(self) -> str:
        """As in tables."""
        return f"{self.window}, {'log time' if self.log_time else 'time'}{' + tempo' if self.tempo else ''}"


ARMS = [
    Arm(window, log_time, tempo)
    for window in WINDOWS
    for tempo in (False, True)
    for log_time in (False, True)
    if log_time or not window.endswith(_FROM_START)
]


@dataclass(frozen=True)
class Segments:
    """Phones in utterances whose frames follow each other in one tensor.

    Args:
        frames: (T, 41), of all utterances.
        firsts, lasts: (N,), first and last frame of the utterance of each segment.
        onsets: (N,), place of the onset in frames of that tensor; between frames, too.
        durations_ms: (N,).
        phones: (N,), classes.
        speakers: N names.
    """

    frames: torch.Tensor
    firsts: torch.Tensor
    lasts: torch.Tensor
    onsets: torch.Tensor
    durations_ms: torch.Tensor
    phones: torch.Tensor
    speakers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.speakers)

    def windows(
        self, chosen: torch.Tensor, size: int, stretches: torch.Tensor | float = 1.0, shifts: torch.Tensor | float = 0.0
    ) -> torch.Tensor:
        """Windows (n, 41, size) of speech that is stretched about its anchor, linear between frames.

        Frame t of a window, counted from 1, lies t frames after the anchor, so that stretching multiplies t.

        Args:
            chosen: (n,), numbers of segments.
            size: frames of a window.
            stretches: (n,) or one for all; 2 is twice as long.
            shifts: (n,) or one for all, frames of the recording from the onset to the anchor.

        >>> frames = torch.arange(8.0).unsqueeze(1)
        >>> place = torch.tensor([2.0])
        >>> one = Segments(frames, torch.tensor([0]), torch.tensor([7]), place, place, torch.tensor([0]), ("anna",))
        >>> one.windows(torch.tensor([0]), 3).flatten().tolist()
        [3.0, 4.0, 5.0]
        >>> one.windows(torch.tensor([0]), 3, 2.0, -1.0).flatten().tolist()
        [1.5, 2.0, 2.5]
        """
        steps = torch.arange(1, size + 1, dtype=torch.float64)
        anchors = self.onsets[chosen] + shifts
        places = anchors.unsqueeze(1) + steps / torch.as_tensor(stretches, dtype=torch.float64).reshape(-1, 1)
        places = torch.minimum(torch.maximum(places, self.firsts[chosen, None]), self.lasts[chosen, None])
        before = places.floor().long()
        after = torch.minimum(before + 1, self.lasts[chosen, None].long())
        weight = (places - before).unsqueeze(2).to(self.frames.dtype)
        return torch.lerp(self.frames[before], self.frames[after], weight).transpose(1, 2)


class Classifier(torch.nn.Module):
    """One correlation of a window, its outputs pooled or side by side, and two layers."""

    def __init__(self, window: Window, num_phones: int, *, log_time: bool, channels: int = 48) -> None:
        super().__init__()
        self.front = LogTimeFrontEnd(
            NUM_COEFFICIENTS,
            channels,
            window.kernel,
            window_size=window.size,
            window_stride=window.size,
            kernel_offset=window.offset,
            pooling=window.pooling,
            log_time=log_time,
        )
        outputs = 1 if window.pooling else self.front.outputs_per_window
        self.mix = torch.nn.Linear(channels * outputs, channels)
        self.out = torch.nn.Linear(channels, num_phones)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits (N, phones) of windows (N, 41, size)."""
        hidden = torch.relu(self.front(windows).squeeze(2))
        logits: torch.Tensor = self.out(torch.relu(self.mix(hidden)))
        return logits

    def multiply_adds(self) -> int:
        """Of the correlation of a window; the layers after it are the same in all arms."""
        return self.front.tap_table().num_taps * NUM_COEFFICIENTS * self.front.out_channels


def build(arm: Arm, num_phones: int, seed: int) -> Classifier:
    """A model with the initial weights of a seed."""
    torch.manual_seed(stream_seed(seed, "weights"))
    return Classifier(WINDOWS[arm.window], num_phones, log_time=arm.log_time)


def read_segments(corpus: Path, cache: Path) -> tuple[dict[str, Segments], tuple[str, ...]]:
    """Segments of train and test, and the phones; they are kept in a cache.

    Segments of TIMIT's whole TEST part are test segments; SA sentences, which all speakers say, are left out.
    """
    partitions = timit_partitions(read_timit(corpus), partial=True, complete_test=True)
    chosen = {partition: partitions[partition] for partition in SEGMENTS}
    content = [(u.utterance_id, u.audio_path.stat().st_size, u.phones) for us in chosen.values() for u in us]
    key = hashlib.sha256(repr((FEATURES, SEGMENTS, content)).encode()).hexdigest()
    stored = torch.load(cache, weights_only=True) if cache.exists() else {}
    if stored.get("key") != key:
        print(f"computing features of {len(content)} utterances", flush=True)
        stored = {"key": key, "phones": sorted(_phones_of(chosen["train"]))}
        for partition, utterances in chosen.items():
            stored[partition] = _segments_of(utterances, stored["phones"], SEGMENTS[partition])
        torch.save(stored, cache)
    return {partition: Segments(**stored[partition]) for partition in SEGMENTS}, tuple(stored["phones"])


def _phones_of(utterances: Sequence[Any]) -> set[str]:
    folding = folding_to(39)
    return {folding[phone.symbol] for u in utterances for phone in u.phones} - {None, SILENCE}


def _segments_of(utterances: Sequence[Any], phones: Sequence[str], most: int) -> dict[str, Any]:
    """Arguments of `Segments`: at most so many segments, drawn at random."""
    folding, class_of = folding_to(39), {phone: number for number, phone in enumerate(phones)}
    extractor, samples_per_frame = FeatureExtractor.from_config(FEATURES, "segments"), SAMPLE_RATE_HZ // 100
    frames, rows, speakers, first = [], [], [], 0
    for utterance in utterances:
        samples = read_audio(utterance.audio_path, sample_rate_hz=SAMPLE_RATE_HZ)
        frames.append(torch.log(extractor(torch.from_numpy(samples)) + 10))
        last = first + len(frames[-1]) - 1
        for phone in utterance.phones:
            if (number := class_of.get(folding[phone.symbol] or SILENCE)) is None:
                continue
            onset = first + phone.first_sample / samples_per_frame
            duration = 1000 * (phone.end_sample - phone.first_sample) / SAMPLE_RATE_HZ
            rows.append((first, last, onset, duration, number))
            speakers.append(utterance.speaker)
        first = last + 1
    drawn = np.sort(random_stream(0, "segments").permutation(len(rows))[:most])
    columns = torch.tensor(rows, dtype=torch.float64)[torch.from_numpy(drawn)].T
    names = ("firsts", "lasts", "onsets", "durations_ms", "phones")
    content: dict[str, Any] = dict(zip(names, columns, strict=True))
    content["phones"] = content["phones"].long()
    return content | {"frames": torch.cat(frames), "speakers": tuple(speakers[i] for i in drawn)}


def fifths_by_duration(segments: Segments) -> list[torch.Tensor]:
    """Numbers of the segments of each fifth, from the shortest, by duration relative to the median of their phone."""
    relative = torch.empty(len(segments), dtype=torch.float64)
    for phone in segments.phones.unique():
        of_phone = segments.phones == phone
        relative[of_phone] = segments.durations_ms[of_phone] / segments.durations_ms[of_phone].median()
    return list(torch.argsort(relative, stable=True).tensor_split(len(FIFTHS)))


def train(arm: Arm, segments: Segments, num_phones: int, seed: int, epochs: int) -> tuple[Classifier, torch.Tensor]:
    """A trained model, and (2, 41, 1): mean and standard deviation that windows are normalised with."""
    model, size = build(arm, num_phones, seed), WINDOWS[arm.window].size
    everything = segments.windows(torch.arange(len(segments)), size)
    norm = torch.stack([everything.mean((0, 2)), everything.std((0, 2))]).unsqueeze(2)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    for epoch in range(epochs):
        order = torch.from_numpy(random_stream(seed, "order", epoch).permutation(len(segments)))
        windows = everything[order]
        if arm.tempo:
            tempos = np.exp(random_stream(seed, "tempo", epoch).uniform(*np.log(TEMPO), len(segments)))
            windows = segments.windows(order, size, torch.from_numpy(tempos))
        windows = (windows - norm[0]) / norm[1]
        for batch, phones in zip(windows.split(BATCH_SIZE), segments.phones[order].split(BATCH_SIZE), strict=True):
            loss = torch.nn.functional.cross_entropy(model(batch), phones)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model, norm


@torch.inference_mode()
def wrong_by_speaker(
    model: Classifier, norm: torch.Tensor, segments: Segments, size: int
) -> dict[str, dict[str, list[int]]]:
    """Condition -> speaker -> errors and segments."""
    everything, fifths = torch.arange(len(segments)), fifths_by_duration(segments)
    frames = LARGEST_SHIFT_MS / FRAME_SHIFT_MS
    wrong_anchors = torch.from_numpy(random_stream(0, "shifts").uniform(-frames, frames, len(segments)))
    counts: dict[str, dict[str, list[int]]] = {}
    for kind, shifts in (("", 0.0), ("shifted ", wrong_anchors)):
        for stretch in STRETCHES:
            windows = (segments.windows(everything, size, stretch, shifts) - norm[0]) / norm[1]
            wrong = torch.cat([model(batch).argmax(1) for batch in windows.split(1000)]) != segments.phones
            chosen = {f"{stretch:g}": everything}
            if stretch == 1:
                chosen |= dict(zip(FIFTHS, fifths, strict=True))
            for condition, numbers in chosen.items():
                of_speaker = counts[kind + condition] = {speaker: [0, 0] for speaker in sorted(set(segments.speakers))}
                for number in numbers.tolist():
                    count = of_speaker[segments.speakers[number]]
                    count[0] += int(wrong[number])
                    count[1] += 1
    return counts


def run(arm: Arm, seed: int, epochs: int, corpus: Path, cache: Path) -> dict[str, Any]:
    """Train and test an arm with one seed."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    stored = torch.load(cache, weights_only=True)
    segments = {partition: Segments(**stored[partition]) for partition in SEGMENTS}
    model, norm = train(arm, segments["train"], len(stored["phones"]), seed, epochs)
    counts = wrong_by_speaker(model, norm, segments["test"], WINDOWS[arm.window].size)
    return {"arm": arm.name, "seed": seed, "counts": counts, "seconds": time.perf_counter() - began}


def run_all(arguments: argparse.Namespace) -> dict[str, list[Mapping[str, Any]]]:
    """Arm -> results of each seed; those that OUT holds are not computed again."""
    (arguments.out / "runs").mkdir(parents=True, exist_ok=True)
    cache = arguments.out / "segments.pt"
    segments, phones = read_segments(arguments.corpus, cache)
    sizes = ", ".join(f"{len(of)} {partition} segments" for partition, of in segments.items())
    print(f"{sizes}, {len(phones)} phones, {len(set(segments['test'].speakers))} test speakers", flush=True)
    trainings = {
        (arm.name, seed): (
            arguments.out / "runs" / f"{arm.name.replace(' ', '')}-{arguments.epochs}-{seed}.json",
            partial(run, arm, seed, arguments.epochs, arguments.corpus, cache),
        )
        for seed in range(1, arguments.seeds + 1)
        for arm in ARMS
    }
    return run_missing(trainings, arguments.jobs, _about)


def _about(result: Mapping[str, Any]) -> str:
    return f"{result['arm']}, seed {result['seed']}: {right_percent(result, '1'):.1f} % right as spoken"


def report(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Paragraphs of Markdown."""
    num_seeds = len(results[ARMS[0].name])
    rows = []
    for arm in ARMS:
        if not arm.tempo:
            model = build(arm, 38, 1)
            weights = sum(parameter.numel() for parameter in model.parameters())
            live = len(model.front.tap_table().live_rows)
            kernel = f"{live} of {model.front.kernel_size}"
            rows.append([arm.name, kernel, f"{weights:,}", f"{model.multiply_adds():,}"])
    yield format_table(
        ["arm", "live kernel rows", "weights (38 phones)", "multiply-adds per segment"], rows, "markdown"
    )
    stretches = [f"{stretch:g}" for stretch in STRETCHES]
    for columns, how in ((stretches, "stretched"), (FIFTHS, "by natural duration relative to others of the phone")):
        for kind, anchors in ANCHORS.items():
            yield f"Right, % (segments {how}, {anchors}, mean of {num_seeds} seeds):"
            rows = []
            for arm in ARMS:
                means = [100 - errors_of(results[arm.name], kind + column).percent for column in columns]
                rows.append([arm.name, *(f"{mean:.1f}" for mean in means)])
            for pair in pairs():
                of_both = [{c: errors_of(results[arm.name], kind + c) for c in (*columns, "1")} for arm in pair]
                name = f"{pair[1].window}{' + tempo' if pair[1].tempo else ''}"
                found = [bootstrap_difference(*(of[c] for of in of_both), paired_seeds=True) for c in columns]
                rows.append([f"{name}: log time - time", *map(accuracy_difference, found)])
                if columns is stretches:
                    beyond = [[of[c].beyond(of["1"]) for of in of_both] for c in columns]
                    cells = [accuracy_difference(bootstrap_difference(*both, paired_seeds=True)) for both in beyond]
                    cells[stretches.index("1")] = ""
                    rows.append([f"{name}: that less that at 1", *cells])
            yield format_table(["", *columns], rows, "markdown")
    yield "Differences in points, with 95 % intervals from a bootstrap over speakers and paired seeds."


def pairs() -> Iterator[tuple[Arm, Arm]]:
    """Pairs of arms that differ in the correlation alone, time first."""
    for arm in ARMS:
        if arm.log_time:
            yield Arm(arm.window.removesuffix(_FROM_START), False, arm.tempo), arm


def draw(results: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Draw accuracy against stretch: means as lines, the range of the seeds as bands."""
    import matplotlib.pyplot as plt

    windows = [window for window in WINDOWS if not window.endswith(_FROM_START)]
    figure, axes = plt.subplots(
        2, len(windows), figsize=(3.6 * len(windows), 7), sharex=True, sharey=True, squeeze=False
    )
    for row, (kind, anchors) in zip(axes, ANCHORS.items(), strict=True):
        for axis, window in zip(row, windows, strict=True):
            for arm in ARMS:
                from_start = arm.window != window
                if from_start and arm.window != window + _FROM_START:
                    continue
                percents = np.array([[right_percent(r, f"{kind}{s:g}") for s in STRETCHES] for r in results[arm.name]])
                colour = "#38761d" if from_start else "#0b5394" if arm.log_time else "#d1642e"
                label = arm.name.split(", ")[1] + from_start * _FROM_START
                style = {"linestyle": "--" if arm.tempo else "-", "color": colour, "label": label}
                plot_by_stretch(axis, STRETCHES, percents, **style)
            axis.set_title(f"{window}, {anchors}", fontsize=9)
        row[0].set_ylabel("right, %")
    axes[1, 0].legend(frameon=False, fontsize=7, loc="upper left")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="folder of TIMIT or of its layout")
    add_training_options(parser, EPOCHS)
    chosen = parser.parse_args(arguments)
    results = run_all(chosen)
    write_results(chosen.out, "segments", report(results), lambda path: draw(results, path))


if __name__ == "__main__":
    main()
