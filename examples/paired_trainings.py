"""Trainings of several arms with paired seeds, for the examples: run what is missing, and compare the arms.

The result of a training is a dictionary whose `counts` hold condition -> speaker -> [errors, recordings].
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.atomic import atomic_file
from cnn_mellin.scoring.significance.bootstrap import BootstrapDifference
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors

__all__ = [
    "accuracy_difference",
    "add_training_options",
    "errors_of",
    "plot_by_stretch",
    "right_percent",
    "run_missing",
    "write_results",
]

Result = Mapping[str, Any]
Arm = TypeVar("Arm")


def add_training_options(parser: argparse.ArgumentParser, num_epochs: int) -> None:
    """Add the folder for the results and the options of trainings; `num_epochs` is the default."""
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for all that is made")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="trainings of each arm (default: 5)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="trainings at once (default: 1)")
    parser.add_argument("--epochs", type=int, default=num_epochs, metavar="N", help=f"(default: {num_epochs})")


def run_missing(
    trainings: Mapping[tuple[Arm, int], tuple[Path, Callable[[], Result]]], at_once: int, about: Callable[[Result], str]
) -> dict[Arm, list[Result]]:
    """Arm -> results of its seeds; those whose files exist are not computed again.

    Args:
        trainings: arm and seed -> file of the result, and function that computes it, in another process.
        at_once: number of processes.
        about: words on a result, for the line that is printed when it is there.
    """
    with ProcessPoolExecutor(at_once) as pool:
        running = {pool.submit(train): path for path, train in trainings.values() if not path.exists()}
        began = time.perf_counter()
        for number, job in enumerate(as_completed(running), 1):
            result = job.result()
            with atomic_file(running[job]) as file:
                json.dump(result, file)
            left = (len(running) - number) * (time.perf_counter() - began) / number / 60
            print(f"{number}/{len(running)} {about(result)}, {left:.0f} min left", flush=True)
    results: dict[Arm, list[Result]] = {}
    for (arm, _), (path, _) in trainings.items():
        results.setdefault(arm, []).append(json.loads(path.read_text(encoding="utf-8")))
    return results


def right_percent(result: Result, condition: str) -> float:
    """Accuracy of one training under a condition, in percent.

    >>> right_percent({"counts": {"1": {"anna": [1, 10], "bert": [2, 20]}}}, "1")
    90.0
    """
    counts = result["counts"][condition].values()
    return 100 - 100 * sum(errors for errors, _ in counts) / sum(count for _, count in counts)


def errors_of(results: Sequence[Result], condition: str) -> SpeakerErrors:
    """Errors of an arm under a condition, by seed and speaker."""
    speakers = sorted(results[0]["counts"][condition])
    counts: NDArray[np.int64] = np.array([[result["counts"][condition][s] for s in speakers] for result in results])
    return SpeakerErrors(tuple(speakers), counts[0, :, 1], counts[:, :, 0])


def accuracy_difference(found: BootstrapDifference) -> str:
    """Difference of two accuracies with its interval, from that of the error rates.

    >>> accuracy_difference(BootstrapDifference(-1.0, -2.5, 0.25, 0.7, 0.9))
    '+1.0 (-0.2 to +2.5)'
    """
    if found.low is None or found.high is None:  # a single speaker
        return _points(found.difference)
    return f"{_points(found.difference)} ({_points(found.high)} to {_points(found.low)})"


def _points(error_difference: float) -> str:
    return f"{0.0 - error_difference:+.1f}"  # no difference is +0.0


def plot_by_stretch(axis: Any, stretches: Sequence[float], percents: NDArray[np.float64], **style: Any) -> None:
    """Plot accuracies against stretch: the mean of the seeds as a line, their range as a band.

    Args:
        axis: matplotlib's axes.
        stretches: (S,), values of the axis.
        percents: (seeds, S).
        style: arguments of the line.
    """
    axis.plot(stretches, percents.mean(0), **style)
    axis.fill_between(stretches, percents.min(0), percents.max(0), color=style["color"], alpha=0.12, lw=0)
    axis.set_xscale("log")
    axis.set_xticks(stretches, [f"{stretch:g}" for stretch in stretches], fontsize=8)
    axis.minorticks_off()
    axis.set_xlabel("stretch (2: twice as long)")
    axis.grid(alpha=0.2)


def write_results(out: Path, name: str, paragraphs: Iterable[str], draw: Callable[[Path], None]) -> None:
    """Write and print the report OUT/NAME.md, and draw OUT/NAME.png.

    Args:
        out, name: folder and name of both files.
        paragraphs: paragraphs of the report, in Markdown.
        draw: draws the picture into a file.
    """
    text = "\n\n".join(paragraphs) + "\n"
    with atomic_file(out / f"{name}.md") as file:
        file.write(text)
    draw(out / f"{name}.png")
    print(f"\n{text}\n{out}/{name}.md, {out}/{name}.png")
