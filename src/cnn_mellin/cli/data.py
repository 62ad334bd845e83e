"""`cnn-mellin data`: data directories to and from the predecessor's form."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("data", help="convert data directories", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, convert, described in (
        ("export", _export, "packed partition -> a feat/UTT.pt and a ref/UTT.pt an utterance"),
        ("import", _import, "a feat/UTT.pt and a ref/UTT.pt an utterance -> packed partition"),
    ):
        action = actions.add_parser(name, help=described, description=described)
        action.add_argument("source", metavar="PARTITION", help="folder to read")
        action.add_argument("target", metavar="OUT", help="folder to write; an older one is replaced")
        action.set_defaults(run=run, convert=convert)


def run(arguments: argparse.Namespace) -> int:
    """Convert, and say where the result is."""
    print(f"{arguments.target}: {arguments.convert(arguments.source, arguments.target)} utterances")
    return 0


def _export(source: str, target: str) -> int:
    from cnn_mellin.data.partition import read_partition
    from cnn_mellin.data.tensor_files import write_tensor_files

    partition = read_partition(source)
    write_tensor_files(partition, target)
    return len(partition)


def _import(source: str, target: str) -> int:
    from cnn_mellin.data.partition import write_partition
    from cnn_mellin.data.tensor_files import read_tensor_files

    partition = read_tensor_files(source)
    with write_partition(target, partition.description) as writer:
        for i, utterance_id in enumerate(partition.utterance_ids):
            writer.add(utterance_id, partition.features_of(i), partition.reference_of(i))
    return len(partition)
