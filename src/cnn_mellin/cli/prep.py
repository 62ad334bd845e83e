"""`cnn-mellin prep`: from a corpus to data directories."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("prep", help="corpus -> features and references", description=__doc__)
    kinds = parser.add_subparsers(dest="corpus_kind", metavar="KIND", required=True)
    timit = kinds.add_parser(
        "timit",
        help="TIMIT, or a corpus of its layout",
        description="Prepare TIMIT (in either case, SPHERE or RIFF audio): DATA/FEATURES/{train,dev,test,ext}. "
        "All counts of a full TIMIT are checked. What is there already, unchanged, is not computed again.",
    )
    timit.add_argument("corpus", metavar="CORPUS", help="the folder that holds TRAIN and TEST, or one above it")
    timit.add_argument("data", metavar="DATA", help="folder for the data directories")
    timit.add_argument(
        "--features",
        nargs="+",
        default=["fbank-81-10ms"],
        metavar="TYPE",
        help="fbank-81-10ms (default), sigbank-41-2ms or raw, several at once",
    )
    timit.add_argument(
        "--phones", type=int, default=48, choices=(61, 60, 48, 39), help="phone set to train on (default: 48)"
    )
    timit.add_argument("--partial", action="store_true", help="prepare a corpus that is not a full TIMIT")
    timit.add_argument("--complete-test", action="store_true", help="test on all speakers of TEST, not the core 24")
    timit.add_argument("--large-dev", action="store_true", help="develop on all of TEST but the core test")
    timit.add_argument("--include-sa", action="store_true", help="train on the SA sentences too")
    timit.add_argument("--jobs", type=int, metavar="N", help="utterances computed at once (default: one a core)")
    timit.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prepare TIMIT."""
    from cnn_mellin.corpora.timit import read_timit
    from cnn_mellin.corpora.timit_partitions import timit_partitions
    from cnn_mellin.data.preparation import prepare_timit

    parts = timit_partitions(
        read_timit(arguments.corpus),
        partial=arguments.partial,
        complete_test=arguments.complete_test,
        large_dev=arguments.large_dev,
        include_sa=arguments.include_sa,
    )
    prepared = prepare_timit(
        parts,
        arguments.data,
        arguments.features,
        num_phones=arguments.phones,
        jobs=arguments.jobs,
        quiet=arguments.quiet,
    )
    for partition in prepared:
        state = "prepared" if partition.computed else "unchanged"
        print(f"{partition.path}: {partition.num_utterances} utterances, {partition.num_frames} frames, {state}")
    return 0
