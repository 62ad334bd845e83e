"""`cnn-mellin logits`: compute the logits of a partition once, for decoders to read."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch
from tqdm import tqdm

from cnn_mellin.cli.compute_device import compute_device
from cnn_mellin.cli.model_input import open_model_partition
from cnn_mellin.data.logits_folder import require_logits_replaceable, write_logits
from cnn_mellin.output_place import require_apart
from cnn_mellin.training import BestEpochs, load_model
from cnn_mellin.training.evaluation import partition_logits

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Compute and write the logits."""
    require_apart(arguments.out, arguments.model_dir)
    require_apart(arguments.out, arguments.partition, inside=False)
    require_logits_replaceable(arguments.out)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch, device=compute_device(arguments))
    partition = open_model_partition(arguments.partition, arguments.model_dir, description)
    partition.check_finite()
    shift_ms = partition.description.frame_shift_ms or description.frame_shift_ms
    epoch = str(arguments.epoch) if isinstance(arguments.epoch, BestEpochs) else arguments.epoch
    stride = description.as_settings().model.window_stride
    with tqdm(total=len(partition), unit="utterance", disable=arguments.quiet or None) as bar:

        def counted() -> Iterator[tuple[list[str], torch.Tensor, torch.Tensor]]:
            for batch in partition_logits(model, partition):
                yield batch
                bar.update(len(batch[0]))

        count = write_logits(
            arguments.out,
            counted(),
            description.symbols,
            frame_shift_ms=None if shift_ms is None else stride * shift_ms,
            source={"model": str(arguments.model_dir), "epoch": epoch, "data": partition.digest},
        )
    print(f"{arguments.out}: logits of {count} utterances")
    return 0
