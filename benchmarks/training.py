"""Training on the demonstration corpus: cost of an epoch beside its updates, and Mellin against linear models.

    python benchmarks/training.py [--utterances 200] [--steps 12] [--threads 1]

A linear and a Mellin model with the same settings take turns on the same batches, update by update; medians are given.
Then each is trained by `cnn_mellin.training.train`, with data, checkpoint and history, which gives the share of an
epoch that is not spent in forward pass, backward pass and optimizer. The corpus is synthesised first (extra demo).
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import torch

from cnn_mellin.cli.main import main as cnn_mellin
from cnn_mellin.config import Settings
from cnn_mellin.config.files import read_settings
from cnn_mellin.data.batch import Batch, batch_indices, load_batch
from cnn_mellin.data.partition import Partition
from cnn_mellin.data.tensor_files import open_partition
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.models import AcousticModel
from cnn_mellin.training import train
from cnn_mellin.training.checkpoint import CheckpointStore
from cnn_mellin.training.epoch import Stepper
from cnn_mellin.training.history import EpochRecord
from report import write_section

NUM_DEMO_UTTERANCES = 904  # in the training partition of the demonstration
CONF = Path(__file__).parents[1] / "conf" / "model"


def settings_of(name: str) -> Settings:
    """Settings of a file in conf/model, or the defaults, which set no number of epochs."""
    return Settings() if name == "defaults" else read_settings(CONF / f"{name}.ini")


def with_mellin(settings: Settings, mellin: bool) -> Settings:
    """Copy of the settings with Mellin or linear convolutions."""
    return replace(settings, model=replace(settings.model, convolutional_mellin=mellin))


def first_batches(partition: Partition, settings: Settings, number: int) -> list[Batch]:
    """The first batches of a training, without augmentation."""
    size = settings.data.batch_size
    plan = batch_indices(
        partition.num_frames, size, seed=1, epoch=1, drop_last=True, bucket_by_length=settings.data.bucket_by_length
    )
    return [load_batch(partition, indices) for indices in plan[:number]]


def step_seconds(partition: Partition, num_classes: int, settings: Settings, number: int) -> tuple[float, float, float]:
    """Median seconds per update of the linear and of the Mellin model, and median of their ratio per batch."""
    steppers = []
    for mellin in (False, True):
        torch.manual_seed(1)
        model = AcousticModel(
            partition.num_coefficients,
            num_classes,
            with_mellin(settings, mellin).model,
            dropout_prob=settings.training.dropout_prob,
            convolutional_dropout_2d=settings.training.convolutional_dropout_2d,
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
        steppers.append(Stepper(model.train(), optimizer, settings.training))
    taken: list[list[float]] = [[], []]
    for place, batch in enumerate(first_batches(partition, settings, number + 1)):
        for stepper, times in zip(steppers, taken, strict=True):
            began = time.perf_counter()
            stepper(batch)
            if place:  # the first update warms up
                times.append(time.perf_counter() - began)
    linear, mellin_seconds = (statistics.median(times) for times in taken)
    return linear, mellin_seconds, statistics.median(mine / theirs for theirs, mine in zip(*taken, strict=True))


@contextmanager
def timed(owner: type, name: str) -> Iterator[list[float]]:
    """Record the seconds of every call of a method within a block."""
    method, seconds = getattr(owner, name), []

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = method(*args, **kwargs)
        seconds.append(time.perf_counter() - began)
        return result

    setattr(owner, name, call)
    try:
        yield seconds
    finally:
        setattr(owner, name, method)


def outside_share(partition: Path, settings: Settings, num_utterances: int) -> float:
    """Share of an epoch of `num_utterances` utterances that is not spent in updates.

    It is measured in the second epoch of a training on a subset. Time beside updates and checkpoint grows with the
    number of utterances, as the updates do; the time of the checkpoint does not.
    """
    ends: list[tuple[float, int]] = []
    training = replace(settings.training, num_epochs=2, early_stopping_threshold=0.0, seed=1)
    with (
        tempfile.TemporaryDirectory() as folder,
        timed(Stepper, "__call__") as updates,
        timed(CheckpointStore, "save") as saves,
    ):

        def note(_record: EpochRecord, _epochs: int | None) -> None:
            ends.append((time.perf_counter(), len(updates)))

        train(partition, None, Path(folder) / "model", replace(settings, training=training), after_epoch=note)
        (begin, first), (end, last) = ends
    number = len(open_partition(partition)) if not settings.data.subset_ids else len(settings.data.subset_ids)
    update = sum(updates[first:last])
    factor = num_utterances / number
    outside = factor * (end - begin - update - saves[-1]) + saves[-1]
    return outside / (factor * update + outside)


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epoch-seconds", type=float, default=15, help="approximate duration of the whole epochs")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        corpus, data = Path(folder) / "corpus", Path(folder) / "data"
        made = ["--quiet", "corpus", "demo", str(corpus), "--utterances", str(arguments.utterances)]
        prepared = ["--quiet", "prep", "timit", str(corpus), str(data), "--features", "fbank-81-10ms", "--partial"]
        for command in (made, prepared):
            if cnn_mellin(command):
                raise SystemExit(f"cnn-mellin {' '.join(command)} failed")
        train_dir = data / "fbank-81-10ms" / "train"
        partition = open_partition(train_dir)
        num_classes = len(read_symbols(data / "fbank-81-10ms" / "ext")) + 1
        for name in ("published-linear-as-mcorr-fbank-81-10ms", "defaults", "demo-mcorr"):
            settings = settings_of(name)
            linear, mellin, ratio = step_seconds(partition, num_classes, settings, arguments.steps)
            size = settings.data.batch_size
            few = partition.utterance_ids[: max(round(arguments.epoch_seconds * size / linear), 2 * size)]
            on_subset = replace(settings, data=replace(settings.data, subset_ids=list(few)))
            shares = [
                outside_share(train_dir, with_mellin(on_subset, mellin_too), NUM_DEMO_UTTERANCES)
                for mellin_too in (False, True)
            ]
            numbers = [f"{size / linear:.1f}", f"{size / mellin:.1f}", f"{ratio:.2f}"]
            percents = [f"{100 * share:.1f} %" for share in shares]
            rows.append("| " + " | ".join([name, str(size), *numbers, *percents]) + " |")
            print(rows[-1], flush=True)
    parts = [
        "## Training",
        f"`python benchmarks/training.py --utterances {arguments.utterances} --steps {arguments.steps} --threads "
        f"{arguments.threads}`; torch {torch.__version__}, {platform.machine()}. {len(partition)} training utterances "
        f"of {partition.num_frames.sum() / len(partition) / 100:.1f} s; Mellin / linear is the median "
        "over batches of the ratio of update times. The share outside is the share of an epoch of "
        f"{NUM_DEMO_UTTERANCES} utterances that is not spent in forward pass, backward pass and optimizer: data, "
        "augmentation, checkpoint, history.",
        "| settings | batch | linear, utterances/s | Mellin, utterances/s | Mellin / linear | outside, linear | "
        "outside, Mellin |\n|---|--:|--:|--:|--:|--:|--:|\n" + "\n".join(rows),
    ]
    write_section("training", "\n\n".join(parts))


if __name__ == "__main__":
    main()
