"""Logits of a partition's utterances, computed by a model or read from a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from cnn_mellin.data.batch import batch_indices, load_batch
from cnn_mellin.data.logits_folder import LogitBatch, LogitsFolder
from cnn_mellin.data.utterance_data import UtteranceData, require_num_coefficients
from cnn_mellin.errors import DataError
from cnn_mellin.models import AcousticModel
from cnn_mellin.utterance_names import name_utterances

__all__ = ["LogitSource", "partition_logits"]

# Padding costs nothing in the model, so a batch is large; its size bounds the memory.
_BATCH_SIZE = 32


@torch.inference_mode()
def partition_logits(
    model: AcousticModel, partition: UtteranceData, *, first: int = 0, every: int = 1
) -> Iterator[tuple[list[str], torch.Tensor, torch.Tensor]]:
    """Compute utterance ids, logits (N, T', V) and lengths (N,) of each batch of utterances of similar length.

    Args:
        model: model, which is put into evaluation mode.
        partition: utterances to compute logits of.
        first, every: number of the first batch that is computed, from 0, and from each to the next: for processes that
            share the batches out.
    """
    device = next(model.parameters()).device
    model.eval()
    for indices in batch_indices(partition.num_frames, _BATCH_SIZE, bucket_by_length=True)[first::every]:
        batch = load_batch(partition, indices)
        logits, lengths = model(batch.features.to(device), batch.lengths)
        yield batch.utterance_ids, logits, lengths


@dataclass(frozen=True)
class LogitSource:
    """Logits of a partition's utterances.

    Args:
        partition_path: folder of the partition.
        num_utterances: number of utterances in the partition.
        symbols: symbols of the classes; the blank comes after them.
        batches: utterance ids, logits (N, T', V) and lengths (N,) of each batch; may be an iterator.
        frame_shift_ms: milliseconds between frames of the input; None if unknown.
        stride: number of input frames per output frame.
    """

    partition_path: Path
    num_utterances: int
    symbols: Sequence[str]
    batches: Iterable[LogitBatch]
    frame_shift_ms: float | None = None
    stride: int = 1

    @classmethod
    def of_model(
        cls,
        model: AcousticModel,
        partition: UtteranceData,
        symbols: Sequence[str],
        *,
        frame_shift_ms: float | None = None,
        trained_by: str = "the model",
    ) -> Self:
        """Logits that a model computes as they are iterated over.

        Args:
            model: trained model.
            partition: utterances to compute logits of.
            symbols: symbols of the model's classes, without the blank.
            frame_shift_ms: frame shift that the model was trained on, used if the partition has none.
            trained_by: name of the model for error messages, such as its folder.

        Raises:
            DataError: the partition has another number of coefficients than the model, or a feature is not finite.
        """
        require_num_coefficients(partition, model.num_features, f"{trained_by} was trained on {model.num_features}")
        partition.check_finite()
        shift_ms = partition.description.frame_shift_ms or frame_shift_ms
        batches = partition_logits(model, partition)
        return cls(partition.path, len(partition), symbols, batches, shift_ms, model.config.window_stride)

    @classmethod
    def of_folder(cls, logits: LogitsFolder, partition: UtteranceData) -> Self:
        """Logits that were written earlier.

        Args:
            logits: logits read by `read_logits`.
            partition: partition that they were computed from.

        Raises:
            DataError: logits and partition hold different utterances.
        """
        found, expected = set(logits.partition.utterance_ids), set(partition.utterance_ids)
        for fault, names in (
            ("lacks {} utterances of", expected - found),
            ("has {} utterances that are not in", found - expected),
        ):
            if names:
                named = f"{fault.format(len(names))} {partition.path}: {name_utterances(sorted(names))}"
                raise DataError(f"{logits.partition.path}: {named}")
        return cls(partition.path, len(partition), logits.symbols, logits.batches(), logits.frame_shift_ms)
