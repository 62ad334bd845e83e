"""`cnn-mellin logits`: what a model says of every frame, for decoders to read."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "logits",
        help="write a model's logits of a partition",
        description="Compute the logits of every utterance of a partition once, for decoders to be tried on without "
        "the model. OUT has the form of a partition: logits as its features, float32 (output frames, classes), the "
        "blank last; `cnn-mellin data export OUT FOLDER` makes a feat/UTT.pt an utterance of it.",
    )
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of a trained model")
    parser.add_argument("partition", metavar="PARTITION", help="features")
    parser.add_argument("out", metavar="OUT", help="folder to write; older logits of that name are replaced")
    parser.add_argument(
        "--epoch", type=int, metavar="E", help="weights of this epoch (default: the best; 0: before training)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compute and write."""
    from tqdm import tqdm

    from cnn_mellin.cli.compute_device import compute_device
    from cnn_mellin.data.logits_folder import require_logits_replaceable, write_logits
    from cnn_mellin.data.tensor_files import open_partition
    from cnn_mellin.errors import DataError
    from cnn_mellin.output_place import require_apart
    from cnn_mellin.training import load_model
    from cnn_mellin.training.evaluation import partition_logits

    require_apart(arguments.out, arguments.model_dir)
    require_apart(arguments.out, arguments.partition, inside=False)
    require_logits_replaceable(arguments.out)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch, device=compute_device(arguments))
    partition = open_partition(arguments.partition)
    if partition.num_coefficients != description.num_features:
        raise DataError(
            f"{partition.path}: has {partition.num_coefficients} coefficients a frame, but {arguments.model_dir} was "
            f"trained on {description.num_features} ({description.feature_type or 'features without a name'})"
        )
    partition.check_finite()
    shift_ms = partition.description.frame_shift_ms or description.frame_shift_ms
    stride = description.as_settings().model.window_stride
    with tqdm(total=len(partition), unit="utterance", disable=arguments.quiet or None) as bar:

        def counted() -> Any:
            for batch in partition_logits(model, partition):
                yield batch
                bar.update(len(batch[0]))

        count = write_logits(
            arguments.out,
            counted(),
            description.symbols,
            frame_shift_ms=None if shift_ms is None else stride * shift_ms,
            source={"model": str(arguments.model_dir), "epoch": arguments.epoch, "data": partition.digest},
        )
    print(f"{arguments.out}: logits of {count} utterances")
    return 0
