"""`cnn-mellin decode`: recognise a partition with a model."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "decode",
        help="recognise a partition",
        description="Recognise every utterance of a partition by a greedy CTC search; OUT is a trn file, a line an "
        "utterance, in the symbols that the model was trained on.",
    )
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of a trained model")
    parser.add_argument("partition", metavar="PARTITION", help="features to recognise")
    parser.add_argument("out", metavar="OUT", help="trn file to write")
    parser.add_argument(
        "--epoch", type=int, metavar="E", help="weights of this epoch (default: the best; 0: before training)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Decode."""
    from cnn_mellin.cli.compute_device import compute_device
    from cnn_mellin.data.tensor_files import open_partition
    from cnn_mellin.errors import DataError
    from cnn_mellin.scoring.transcripts import write_trn
    from cnn_mellin.training import load_model
    from cnn_mellin.training.evaluation import decode_partition

    model, description = load_model(arguments.model_dir, epoch=arguments.epoch, device=compute_device(arguments))
    partition = open_partition(arguments.partition)
    if partition.num_coefficients != description.num_features:
        raise DataError(
            f"{partition.path}: has {partition.num_coefficients} coefficients a frame, but {arguments.model_dir} was "
            f"trained on {description.num_features} ({description.feature_type or 'features without a name'})"
        )
    partition.check_finite()
    hypotheses = decode_partition(model, partition, description.symbols)
    write_trn(arguments.out, hypotheses)
    empty = sum(not phones for phones in hypotheses.values())
    print(f"{arguments.out}: {len(hypotheses)} utterances, {empty} of them empty")
    return 0
