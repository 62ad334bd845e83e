"""What single changes of the settings bring: trainings with paired seeds, each against the settings as they are.

    python examples/ablation.py DATA OUT --seeds 3 --jobs 2

trains what is missing and writes OUT/ablation.md and OUT/ablation.png; stop it when you like. DATA is a data directory:
DATA/fbank-81-10ms after `cnn-mellin prep speechocean762 CORPUS DATA --features fbank-81-10ms`. `--settings FILE` starts
from other settings, and `--changes` chooses some of the changes. Choose by dev, and look at test once.

A training leaves CTC's plateau in the first epoch after which its phone error rate on dev is below 90 %.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from paired_trainings import Result, add_training_options, errors_of, run_missing, write_results

from cnn_mellin.config import Settings, read_settings
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.speakers import read_speakers
from cnn_mellin.formats.text_table import format_table
from cnn_mellin.scoring.significance.bootstrap import BootstrapDifference, bootstrap_difference
from cnn_mellin.shipped_file import shipped_file
from cnn_mellin.training import load_model, train
from cnn_mellin.training.evaluation import partition_error_rate
from cnn_mellin.training.history import read_history

SETTINGS = "model/demo-mcorr.ini"
EPOCHS = 20
PLATEAU_PERCENT = 90
PARTITIONS = ("dev", "test")
AS_THEY_ARE = "as they are"
_LARGER = {"recurrent_layers": 2, "recurrent_size": 128}
_LINEAR = {"convolutional_mellin": False, "window_pooling": "attention"}
_MASKS = {
    "max_tempo_factor": 1.5,
    "num_time_mask": 4,
    "max_time_mask_proportion": 0.1,
    "num_freq_mask": 3,
    "max_freq_mask": 20,
}
# name -> section -> setting -> value
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    AS_THEY_ARE: {},
    "utterances not normalised": {"model": {"utterance_normalization": "none"}},
    "normalised by mean only": {"model": {"utterance_normalization": "mean"}},
    "averaged weights": {"training": {"weight_averaging_decay": 0.998}},
    "tempo up to 1.2": {"training": {"max_tempo_factor": 1.2}},
    "warm-up": {"training": {"learning_rate_warmup_proportion": 0.1}},
    "batches of 8": {"data": {"batch_size": 8}},
    "intermediate CTC": {"training": {"intermediate_ctc_weight": 0.3}},
    "intermediate CTC, utterances not normalised": {
        "model": {"utterance_normalization": "none"},
        "training": {"intermediate_ctc_weight": 0.3},
    },
    "shortest first, 1 epoch": {"data": {"shortest_first_epochs": 1}},
    "batches that grow, from 2": {"data": {"first_batch_size": 2}},
    **{f"blank's bias from {bias}": {"model": {"initial_blank_bias": bias}} for bias in (-5, -2, 2, 4)},
    "16 channels": {"model": {"convolutional_initial_channels": 16}},
    "two recurrent layers of 128": {"model": _LARGER},
    "two recurrent layers of 128, dropout": {
        "model": _LARGER,
        "training": {"dropout_prob": 0.15, "convolutional_dropout_2d": False},
    },
    "mean over a window": {"model": {"window_pooling": "mean"}},
    "attention over a window": {"model": {"window_pooling": "attention"}},
    "attention, linear": {"model": _LINEAR},
    "attention, linear, 32 channels": {"model": {**_LINEAR, "convolutional_initial_channels": 32}},
    "attention, linear, recurrent layer of 192": {"model": {**_LINEAR, "recurrent_size": 192}},
    "attention, linear, two recurrent layers of 128": {"model": {**_LINEAR, **_LARGER}},
    "attention, linear, stronger masks": {"model": _LINEAR, "training": _MASKS},
}


def changed(settings: Settings, change: str, seed: int, epochs: int) -> Settings:
    """Settings with a change, seed and number of epochs."""
    seeded = {"model": {"seed": seed}, "training": {"seed": seed, "num_epochs": epochs}}
    return settings.updated(seeded).updated(CHANGES[change])


def run(change: str, seed: int, settings: Settings, data: Path, folder: Path) -> dict[str, Any]:
    """Train with a change and one seed, and count the errors of a greedy search by speaker."""
    torch.set_num_threads(1)
    began = time.process_time()
    train(data / "train", data / "dev", folder, settings)
    minutes = (time.process_time() - began) / 60
    model, description = load_model(folder)
    speakers, counts = read_speakers(data / "ext" / "utt2spk"), {}
    for name in PARTITIONS:
        by_speaker = partition_error_rate(model, read_partition(data / name), description.symbols).by_speaker(speakers)
        counts[name] = {speaker: [found.errors, found.num_phones] for speaker, found in by_speaker.items()}
    return {
        "change": change,
        "seed": seed,
        "counts": counts,
        "dev_by_epoch": [record.dev_per_percent for record in read_history(folder / "history.csv")],
        "weights": sum(weight.numel() for weight in model.parameters()),
        "processor_minutes": minutes,
    }


def run_all(arguments: argparse.Namespace) -> dict[str, list[Result]]:
    """Change -> results of each seed; those that OUT holds are not computed again."""
    settings, trainings = read_settings(arguments.settings), {}
    for seed in range(1, arguments.seeds + 1):
        for change in dict.fromkeys([AS_THEY_ARE, *arguments.changes]):
            folder = arguments.out / "models" / change.replace(" ", "-") / f"seed{seed}-{arguments.epochs}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            new = changed(settings, change, seed, arguments.epochs)
            trainings[change, seed] = (
                folder.with_suffix(".json"),
                partial(run, change, seed, new, arguments.data, folder),
            )
    return run_missing(trainings, arguments.jobs, _about)


def _about(result: Result) -> str:
    return f"{result['change']}, seed {result['seed']}: dev PER {min(result['dev_by_epoch']):.1f} %"


def epoch_off_plateau(dev_by_epoch: Sequence[float]) -> int | None:
    """First epoch after which a training is off the plateau, from 1; None if it never is.

    >>> epoch_off_plateau([100.0, 97.2, 71.5])
    3
    """
    return next((epoch for epoch, percent in enumerate(dev_by_epoch, 1) if percent < PLATEAU_PERCENT), None)


def differences(results: Mapping[str, Sequence[Result]]) -> dict[str, dict[str, BootstrapDifference]]:
    """Change -> partition -> difference of the phone error rate from that of the settings as they are."""
    base = {part: errors_of(results[AS_THEY_ARE], part) for part in PARTITIONS}
    return {
        change: {part: bootstrap_difference(base[part], errors_of(of, part), paired_seeds=True) for part in PARTITIONS}
        for change, of in results.items()
        if change != AS_THEY_ARE
    }


def report(
    results: Mapping[str, Sequence[Result]], found: Mapping[str, Mapping[str, BootstrapDifference]], epochs: int
) -> Iterator[str]:
    """Paragraphs of Markdown; `found` are the differences."""
    num_seeds = len(results[AS_THEY_ARE])
    yield (
        f"Phone error rates in % of a greedy search, best epoch of {epochs} on dev, mean of {num_seeds} seed(s); "
        "differences in points with 95 % intervals from a bootstrap over speakers and paired seeds; the first epochs "
        f"after which dev is below {PLATEAU_PERCENT} %, of each seed; processor minutes on one thread."
    )
    rows = []
    for change, of in results.items():
        off = [epoch_off_plateau(result["dev_by_epoch"]) for result in of]
        row = [change, f"{of[0]['weights'] / 1000:,.0f}"]
        for part in PARTITIONS:
            row += [f"{errors_of(of, part).percent:.2f}", str(found[change][part]) if change in found else ""]
        row.append(" ".join("never" if epoch is None else str(epoch) for epoch in sorted(off, key=_never_last)))
        row.append(f"{sum(result['processor_minutes'] for result in of) / num_seeds:.1f}")
        rows.append(row)
    header = ["", "weights, thousands", "dev", "difference", "test", "difference", "off the plateau", "minutes"]
    yield format_table(header, rows, "markdown")


def _never_last(epoch: int | None) -> float:
    return float("inf") if epoch is None else epoch


def draw(found: Mapping[str, Mapping[str, BootstrapDifference]], path: Path) -> None:
    """Draw the differences on dev and test, with their intervals."""
    import matplotlib.pyplot as plt

    changes = list(found)[::-1]
    figure, axis = plt.subplots(figsize=(7.0, 1.2 + 0.4 * len(changes)))
    for part, colour, shift in zip(PARTITIONS, ("#777777", "#0b5394"), (0.12, -0.12), strict=True):
        for row, change in enumerate(changes):
            one, place = found[change][part], row + shift
            if one.low is not None and one.high is not None:
                axis.plot([one.low, one.high], [place, place], "-", color=colour, lw=1.5)
            label = part if row == 0 else None
            axis.plot([one.difference], [place], "o", color=colour, ms=5, label=label)
    axis.axvline(0, color="black", lw=0.8)
    axis.set_yticks(range(len(changes)), changes)
    axis.set_xlabel("difference of the phone error rate, points (left is better)")
    axis.grid(axis="x", alpha=0.2)
    axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA", help="data directory with train, dev, test and ext")
    add_training_options(parser, EPOCHS)
    parser.add_argument(
        "--settings", type=Path, default=shipped_file(SETTINGS), metavar="FILE", help="(default: demo-mcorr)"
    )
    parser.add_argument(
        "--changes", nargs="+", default=list(CHANGES), choices=list(CHANGES), metavar="CHANGE", help="(default: all)"
    )
    chosen = parser.parse_args(arguments)
    results = run_all(chosen)
    found = differences(results)
    write_results(chosen.out, "ablation", report(results, found, chosen.epochs), lambda path: draw(found, path))


if __name__ == "__main__":
    main()
