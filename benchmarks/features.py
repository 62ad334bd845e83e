"""Speed of the features beside pydrobert-speech's, on the same signals in one run, on one thread and on two.

    python benchmarks/features.py [--utterances 20] [--seconds 3] [--repeats 5] [--files 2000] [--many 100000]

Signals are noise at the scale of 16-bit samples, in memory; float32 here, float64 there, which knows no other. Best of
the repeats. Then whole preparations: `cnn-mellin prep table`, a process from start to end, on files; beside it
pydrobert-speech in a process that has started, file by file: read, computed, saved. Then the memory that many short
utterances take, on Linux.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from cnn_mellin.features import FeatureExtractor
from cnn_mellin.features.configuration import shipped_configuration
from report import write_section


def best_seconds(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def write_table(folder: Path, num_files: int, samples: int) -> list[Path]:
    """A corpus of noise as a table, `corpus.tsv`, and a file an utterance."""
    rng = np.random.default_rng(0)
    paths = [folder / f"utterance{i:05d}.wav" for i in range(num_files)]
    rows = ["audio\ttranscript"]
    for path in paths:
        soundfile.write(path, np.round(3000 * rng.standard_normal(samples)).astype(np.int16), 16000)
        rows.append(f"{path.name}\t{' '.join(f'p{c}' for c in rng.integers(0, 48, 35))}")
    (folder / "corpus.tsv").write_text("\n".join(rows), encoding="utf-8")
    return paths


def preparation_seconds(folder: Path, features: Sequence[str], jobs: int) -> float:
    """Time of one `cnn-mellin prep table`, the start of Python and torch included."""
    with tempfile.TemporaryDirectory(dir=folder) as data:
        command = ["--quiet", "prep", "table", str(folder / "corpus.tsv"), data, "--jobs", str(jobs), "--features"]
        start = time.perf_counter()
        run = [sys.executable, "-m", "cnn_mellin.cli.main", *command, *features]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def file_by_file_seconds(oracle: Any, paths: Sequence[Path], out: Path) -> float:
    """Time of pydrobert-speech on some files, each read, computed and saved."""
    start = time.perf_counter()
    for path in paths:
        samples, _ = soundfile.read(path, dtype="int16")
        features = oracle.compute_full(samples.astype(np.float64))
        torch.save(torch.from_numpy(features).float(), out / f"{path.stem}.pt")
    return time.perf_counter() - start


def whole_preparations(oracles: Mapping[str, Any], num_files: int, seconds: float) -> list[str]:
    """Lines of a table of whole preparations."""
    lines = [
        "",
        "The whole of `prep table`, a process from start to end (reading files, writing features and ext), on "
        f"{num_files} files of {seconds:g} s; pydrobert-speech on the first 40 of them, file by file in one process.",
        "",
        "| features | jobs | pydrobert-speech, hours of audio per minute | here | times as fast |",
        "|---|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_table(folder, num_files, int(16000 * seconds))
        some = paths[:40]
        a_file = {name: file_by_file_seconds(oracle, some, folder) / len(some) for name, oracle in oracles.items()}
        for features in (["fbank-81-10ms"], ["sigbank-41-2ms"], ["fbank-81-10ms", "sigbank-41-2ms", "raw"]):
            theirs = sum(a_file.get(name, 0.0) for name in features)
            for jobs in (1, 2):
                ours = preparation_seconds(folder, features, jobs) / num_files
                rates = [seconds / 60 / taken for taken in (theirs, ours)]
                named = " + ".join(features)
                lines.append(f"| {named} | {jobs} | {rates[0]:.2f} | {rates[1]:.1f} | {theirs / ours:.0f} |")
    return lines


def peak_megabytes(num_files: int) -> float:
    """Most memory that `prep table` takes for so many files of 0.1 s."""
    program = (
        "import sys; from cnn_mellin.cli.main import main; status = main(sys.argv[1:]); "
        "print(open('/proc/self/status').read()); sys.exit(status)"
    )
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder), num_files, 1600)
        command = ["--quiet", "prep", "table", f"{folder}/corpus.tsv", f"{folder}/data"]
        done = subprocess.run([sys.executable, "-c", program, *command], check=True, capture_output=True, text=True)
    (peak,) = (line.split()[1] for line in done.stdout.splitlines() if line.startswith("VmHWM:"))
    return int(peak) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--utterances", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--files", type=int, default=2000, help="of a whole preparation")
    parser.add_argument("--many", type=int, default=100_000, help="utterances whose memory is measured")
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its optional compiler
        from pydrobert.speech.alias import alias_factory_subclass_from_arg
        from pydrobert.speech.compute import FrameComputer

    rng = np.random.default_rng(0)
    samples = int(16000 * arguments.seconds)
    signals = [np.round(3000 * rng.standard_normal(samples)) for _ in range(arguments.utterances)]
    ours = [torch.from_numpy(signal).float() for signal in signals]
    hours = arguments.utterances * arguments.seconds / 3600
    lines = [
        "## Features",
        "",
        f"`python benchmarks/features.py`: {arguments.utterances} signals of {arguments.seconds:g} s in turn; the "
        "time in the extractor.",
        "",
        "| features | threads | pydrobert-speech, hours of audio per minute | here | times as fast |",
        "|---|--:|--:|--:|--:|",
    ]
    oracles = {
        feature_type: alias_factory_subclass_from_arg(FrameComputer, shipped_configuration(feature_type))
        for feature_type in ("fbank-81-10ms", "sigbank-41-2ms")
    }
    for feature_type, oracle in oracles.items():
        extractor = FeatureExtractor.named(feature_type)
        theirs_seconds = best_seconds(lambda oracle=oracle: [oracle.compute_full(s) for s in signals], 2)  # type: ignore[misc]
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                extractor(ours[0])
                seconds = best_seconds(
                    lambda extractor=extractor: [extractor(s) for s in ours],  # type: ignore[misc]
                    arguments.repeats,
                )
            rates = [60 * hours / taken for taken in (theirs_seconds, seconds)]
            ratio = theirs_seconds / seconds
            lines.append(f"| {feature_type} | {threads} | {rates[0]:.2f} | {rates[1]:.1f} | {ratio:.0f} |")
    lines += whole_preparations(oracles, arguments.files, arguments.seconds)
    if Path("/proc/self/status").exists():
        few, many = peak_megabytes(1000), peak_megabytes(arguments.many)
        text = (
            f"{few:.0f} MB for 1,000 utterances of 0.1 s, {many:.0f} MB for {arguments.many:,} ({many - few:.0f} more)"
        )
        lines += ["", f"Peak memory of `prep table`, fbank-81-10ms, two cores: {text}."]
    write_section("features", "\n".join(lines))


if __name__ == "__main__":
    main()
