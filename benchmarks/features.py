"""Speed of the features beside pydrobert-speech's, on the same signals in one run, on one thread and on two.

    python benchmarks/features.py [--utterances 20] [--seconds 3] [--repeats 5]

Signals are noise at the scale of 16-bit samples, in memory; float32 here, float64 there, which knows no other. Best of
the repeats.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--utterances", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=5)
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
        f"`python benchmarks/features.py`: {arguments.utterances} signals of {arguments.seconds:g} s in turn, inside "
        "the extractor.",
        "",
        "| features | threads | pydrobert-speech, hours of audio a minute | here | times as fast |",
        "|---|--:|--:|--:|--:|",
    ]
    for feature_type in ("fbank-81-10ms", "sigbank-41-2ms"):
        oracle = alias_factory_subclass_from_arg(FrameComputer, shipped_configuration(feature_type))
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
    write_section("features", "\n".join(lines))


if __name__ == "__main__":
    main()
