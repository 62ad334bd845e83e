"""Phones at speaking rates that training never heard: convolutions in log time against ordinary ones, with CTC.

Trains acoustic models on a corpus and tests them on its test partition, slowed down and sped up at the same pitch
(WSOLA), and on its slowest to fastest utterances as they were spoken. Arms, each with several seeds:

- `30 ms, time`: windows of 3 frames, as a front end without log time has them;
- `80 ms, time` and `80 ms, log time`: windows of 8 frames, one convolution with 4 outputs per window, side by side;
- `120 ms, time` and `120 ms, log time`: windows of 12 frames, 6 outputs;
- `80 ms + tempo`: as `80 ms`, trained on utterances that are slowed down or sped up at random, by up to 1.5;
- only if named: `80 ms from frame 1`, with kernel offset 1, so that log time reads the first frame of a window, and
  with 8 outputs of either convolution; `80 ms + local branch`, an ordinary convolution of each window's first frames
  beside the other; `80 ms + attention`, a mean of the 4 outputs whose weights are learned scores, also with `+ tempo`;
  `80 ms + anchors`, where the maximum is kept over three anchors of each window, so that every frame is one; `160 ms`,
  windows of 16 frames, 8 outputs; and `120 ms from frame 1 + anchors`, 12 outputs.

`time` is the control of `log time`: the two differ in the convolution alone. Each arm is a recipe in a folder of OUT:

    python examples/phones.py CORPUS OUT --seeds 5 --jobs 2

does all that is missing and writes OUT/phones.md and OUT/phones.png; stop it when you like. CORPUS is a folder of TIMIT
or of its layout, such as `cnn-mellin corpus demo` makes, of Kaldi data folders, or a table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from paired_trainings import write_results

from cnn_mellin.atomic import atomic_file
from cnn_mellin.cli.main import main as cnn_mellin
from cnn_mellin.config import Settings, format_settings, read_settings
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.speakers import read_speakers
from cnn_mellin.formats.text_table import format_table
from cnn_mellin.formats.transcripts import read_phones
from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.significance.bootstrap import BootstrapDifference, bootstrap_difference
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors
from cnn_mellin.shipped_file import shipped_file

FEATURES = "fbank-81-10ms"
FRAMES_PER_S = 100
RATES = (0.5, 0.7, 1.0, 1.4, 2.0)
SILENCES = ("sil", "h#", "pau", "epi")
QUINTILES = ("slowest fifth", "second", "third", "fourth", "fastest fifth")


@dataclass(frozen=True)
class Window:
    """Models with windows of one length; the settings demo-lcorr and demo-mcorr with changes.

    Args:
        models: the recipe's names of the models to train: lcorr (time), mcorr (log time).
        model, training: changes of settings.
    """

    models: tuple[str, ...] = ("lcorr", "mcorr")
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


WINDOWS = {
    "30 ms": Window(
        ("lcorr",),
        {
            "window_size": 3,
            "convolutional_kernel_time": 3,
            "convolutional_kernel_freq": 3,
            "convolutional_freq_factor": 2,
            "convolutional_time_padding": True,
            "window_pooling": "sum",
        },
    ),
    "80 ms": Window(),
    "120 ms": Window(model={"window_size": 12, "convolutional_kernel_time": 7, "convolutional_initial_channels": 16}),
    "80 ms + tempo": Window(training={"max_tempo_factor": 1.5}),
    "80 ms from frame 1": Window(model={"convolutional_kernel_offset": 1, "convolutional_time_padding": True}),
    "80 ms + local branch": Window(model={"local_branch_channels": 8}),
    "80 ms + attention": Window(model={"window_pooling": "attention"}),
    "80 ms + attention + tempo": Window(model={"window_pooling": "attention"}, training={"max_tempo_factor": 1.5}),
    "80 ms + anchors": Window(model={"window_anchors": 3}),
    "160 ms": Window(model={"window_size": 16, "convolutional_kernel_time": 9}),
    "120 ms from frame 1 + anchors": Window(
        model={
            "window_size": 12,
            "window_anchors": 3,
            "convolutional_kernel_time": 7,
            "convolutional_kernel_offset": 1,
            "convolutional_time_padding": True,
        }
    ),
}
COLOURS = "#777777 #0b5394 #38761d #a64d79 #cc0000 #b45f06 #674ea7 #1f9e89 #000000 #e377c2 #8c564b".split()
BY_DEFAULT = list(WINDOWS)[:4]
BASE = "80 ms"
KINDS = {"lcorr": "time", "mcorr": "log time"}


def arm_settings(window: str, model: str, epochs: int) -> Settings:
    """Settings of the model of an arm: those of demo-MODEL with changes."""
    settings, changed = read_settings(shipped_file(f"model/demo-{model}.ini")), WINDOWS[window]
    return replace(
        settings,
        model=replace(settings.model, **changed.model),
        training=replace(settings.training, num_epochs=epochs, **changed.training),
    )


def run(window: str, arguments: argparse.Namespace) -> None:
    """Run the recipe of one length of windows; what is done and up to date is not done again."""
    folder, chosen = _folder(arguments.out, window), WINDOWS[window]
    folder.mkdir(parents=True, exist_ok=True)
    command = ["recipe", str(arguments.corpus), str(folder), "--tiny", "--seeds", str(arguments.seeds)]
    command += ["--cores", str(arguments.jobs), "--models", *chosen.models, "--settings"]
    for model in chosen.models:
        settings = arm_settings(window, model, arguments.epochs)
        path = folder.with_name(f"{folder.name}-{model}.ini")
        with atomic_file(path) as file:
            file.write(format_settings(settings))
        command.append(f"{model}={path}")
    rates = ",".join(f"{rate:g}" for rate in RATES)
    command += ["--set", f"speaking_rates={rates}", "lm_betas=0.6", "insertion_bonuses=1,2"]
    print(f"{window}: cnn-mellin {' '.join(command)}", flush=True)
    status = cnn_mellin(command)
    if status:
        sys.exit(status)


def _folder(out: Path, window: str) -> Path:
    return out / window.replace(" ", "")


@dataclass(frozen=True)
class Conditions:
    """Test utterances under several conditions.

    Args:
        ext: folder of the references and speakers.
        references: condition -> utterance -> phones.
        transcripts: names of the transcripts of a condition: `system` or `speed`.
        speaker_of: utterance -> speaker.
    """

    ext: Path
    references: Mapping[str, Mapping[str, Sequence[str]]]
    transcripts: Mapping[str, str]
    speaker_of: Mapping[str, str]


def conditions(folder: Path) -> Conditions:
    """Conditions of the test partition: its speaking rates by WSOLA, and fifths by natural speaking rate."""
    ext, speed = folder / "data" / FEATURES / "ext", folder / "speed" / FEATURES / "ext"
    speakers = read_speakers(ext / "utt2spk")
    rate_of = dict(line.split() for line in (speed / "utt2rate").read_text(encoding="utf-8").splitlines())
    changed = read_phones(speed / "test.ref.trn", fold=is_folded(ext))
    references: dict[str, dict[str, Sequence[str]]] = {
        f"{rate:g}": {name: phones for name, phones in changed.items() if float(rate_of[name]) == rate}
        for rate in RATES
    }
    transcripts = dict.fromkeys(references, "speed")
    speaker_of = speakers | {name: speakers[name.rsplit("_rate", 1)[0]] for name in changed}
    unchanged = read_phones(ext / "test.ref.trn", fold=is_folded(ext))
    natural = natural_rates(folder / "data" / FEATURES / "test", unchanged)
    ordered = sorted(natural, key=lambda name: (natural[name], name))
    for fifth, names in zip(QUINTILES, np.array_split(np.array(ordered), len(QUINTILES)), strict=True):
        references[fifth] = {name: unchanged[name] for name in names.tolist()}
        transcripts[fifth] = "system"
    return Conditions(ext, references, transcripts, speaker_of)


def natural_rates(partition: Path, references: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Phones per second of each utterance, between its first and its last frame within 20 dB of the loudest."""
    data = read_partition(partition)
    rates = {}
    for i, name in enumerate(data.utterance_ids):
        loud = np.abs(np.asarray(data.features_of(i)))[:, 1:].sum(1)
        heard = np.flatnonzero(loud > 0.1 * loud.max())
        num_phones = sum(phone not in SILENCES for phone in references[name])
        rates[name] = num_phones * FRAMES_PER_S / (heard[-1] - heard[0] + 1)
    return rates


def errors_of(folder: Path, model: str, seeds: int, found: Conditions) -> dict[str, SpeakerErrors]:
    """Condition -> errors of a model, by seed and speaker."""
    results: dict[str, list[Any]] = {condition: [] for condition in found.references}
    for seed in range(1, seeds + 1):
        paths = {
            "system": folder / "systems" / f"{model}-{FEATURES}-greedy" / f"seed{seed}" / "test.trn",
            "speed": folder / "speed" / "systems" / f"{model}-{FEATURES}" / f"seed{seed}" / "test.trn",
        }
        transcripts = {kind: read_phones(path, fold=is_folded(found.ext)) for kind, path in paths.items()}
        for condition, references in found.references.items():
            hypotheses = {name: transcripts[found.transcripts[condition]][name] for name in references}
            results[condition].append(phone_error_rate(references, hypotheses))
    return {condition: SpeakerErrors.of(seeds_of, found.speaker_of) for condition, seeds_of in results.items()}


def interaction(
    log_time: Mapping[str, SpeakerErrors], time: Mapping[str, SpeakerErrors], condition: str
) -> BootstrapDifference:
    """How much more log time gains under a condition than at the recorded rate, of the same utterances."""
    beyond = (arm[condition].beyond(arm["1"]) for arm in (time, log_time))
    return bootstrap_difference(*beyond, paired_seeds=True)


def report(errors: Mapping[str, Mapping[str, SpeakerErrors]], seeds: int) -> Iterator[str]:
    """Paragraphs of Markdown."""
    names = [f"{rate:g}" for rate in RATES]
    yield f"Phone error rates in %, greedy search, mean of {seeds} seeds, by speaking rate by WSOLA (2: twice as fast):"
    for columns in (names, list(QUINTILES)):
        rows = [[arm, *(f"{of[column].percent:.2f}" for column in columns)] for arm, of in errors.items()]
        for window in WINDOWS:
            pair = [errors.get(f"{window}, {kind}") for kind in ("log time", "time")]
            if None in pair:
                continue
            log_time, time = (one for one in pair if one is not None)
            found = [bootstrap_difference(time[c], log_time[c], paired_seeds=True) for c in columns]
            rows.append([f"{window}: log time - time", *map(str, found)])
            if columns is names:
                beyond = ["" if c == "1" else str(interaction(log_time, time, c)) for c in columns]
                rows.append([f"{window}: that less that at 1", *beyond])
        for arm, of in errors.items():
            base = errors.get(f"{BASE}, {arm.split(', ')[1]}")
            if columns is names and base is not None and base is not of:
                changes = [bootstrap_difference(base[c], of[c], paired_seeds=True) for c in columns]
                rows.append([f"{arm} - that of {BASE}", *map(str, changes)])
        yield format_table(["", *columns], rows, "markdown")
        if columns is names:
            yield "The same by natural speaking rate, fifths of the test utterances by phones per second:"
    yield "Differences in points, with 95 % intervals from a bootstrap over speakers and paired seeds."
    for window in WINDOWS:
        pair = [errors.get(f"{window}, {kind}") for kind in ("log time", "time")]
        if None not in pair and seeds > 1:
            log_time, time = (one for one in pair if one is not None)
            by_seed = (log_time["1"].errors - time["1"].errors).sum(1) / time["1"].num_phones.sum() * 100
            needed = int(np.ceil(((1.96 + 0.84) * by_seed.std(ddof=1) / 0.5) ** 2))
            yield (
                f"{window}: differences of the seeds at rate 1 are {', '.join(f'{value:+.2f}' for value in by_seed)}. "
                f"With their standard deviation, a true difference of half a point would be found in four of five "
                f"experiments of {max(needed, 2)} seeds."
            )


def draw(errors: Mapping[str, Mapping[str, SpeakerErrors]], path: Path) -> None:
    """Draw error rates against speaking rate: means as lines, the range of the seeds as bands."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.4, 4.2))
    colours = dict(zip(WINDOWS, COLOURS, strict=True))
    for arm, of in errors.items():
        window, kind = arm.split(", ")
        percents = np.array([100 * of[f"{r:g}"].errors.sum(1) / of[f"{r:g}"].num_phones.sum() for r in RATES])
        style = "-" if kind == "log time" else "--"
        axis.plot(RATES, percents.mean(1), style, color=colours[window], label=arm)
        axis.fill_between(RATES, percents.min(1), percents.max(1), color=colours[window], alpha=0.1, lw=0)
    axis.set_xscale("log")
    axis.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    axis.minorticks_off()
    axis.set_xlabel("speaking rate (2: twice as fast)")
    axis.set_ylabel("phone error rate, %")
    axis.grid(alpha=0.2)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="a corpus, as for cnn-mellin recipe")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for all that is made")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="trainings of each arm (default: 5)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="steps at once (default: 2)")
    parser.add_argument("--epochs", type=int, default=8, metavar="N", help="epochs of a training (default: 8)")
    parser.add_argument(
        "--windows", nargs="+", default=BY_DEFAULT, choices=list(WINDOWS), help=f"(default: {', '.join(BY_DEFAULT)})"
    )
    chosen = parser.parse_args(arguments)
    errors: dict[str, dict[str, SpeakerErrors]] = {}
    for window in chosen.windows:
        run(window, chosen)
        folder = _folder(chosen.out, window)
        found = conditions(folder)
        for model in WINDOWS[window].models:
            errors[f"{window}, {KINDS[model]}"] = errors_of(folder, model, chosen.seeds, found)
    write_results(chosen.out, "phones", report(errors, chosen.seeds), lambda path: draw(errors, path))


if __name__ == "__main__":
    main()
