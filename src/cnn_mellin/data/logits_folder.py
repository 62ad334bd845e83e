"""Logits of a model for a partition, for decoding without the model.

The folder has the format of a partition (`features.npy`, `index.npz`, `partition.json`): the features are the logits,
float32 (output frames, classes) with the blank as the last class; the frame shift is that of the output; references are
empty. `partition.json` also holds the symbols and the origin of the logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnn_mellin.data.batch import batch_indices
from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.partition_description import LOGITS, PartitionDescription
from cnn_mellin.data.partition_writer import require_partition_replaceable, write_partition
from cnn_mellin.errors import DataError

__all__ = ["LogitBatch", "LogitsFolder", "read_logits", "require_logits_replaceable", "write_logits"]

# Utterance ids, logits (N, T', V), or (N, K, T', V) of K models, and lengths (N,); values past a length are undefined.
LogitBatch = tuple[Sequence[str], torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class LogitsFolder:
    """Memory-mapped logits that `write_logits` wrote.

    Args:
        partition: partition whose features are the logits.
        symbols: symbols of the classes; the blank comes after them.
    """

    partition: Partition
    symbols: list[str]

    @property
    def frame_shift_ms(self) -> float | None:
        """Milliseconds between output frames; None if unknown."""
        return self.partition.description.frame_shift_ms

    def __len__(self) -> int:
        return len(self.partition)

    def batches(self, batch_size: int = 32) -> Iterator[tuple[list[str], torch.Tensor, torch.Tensor]]:
        """Utterance ids, logits (N, T', V) padded with zeros, and lengths (N,) of each batch."""
        for indices in batch_indices(self.partition.num_frames, batch_size, bucket_by_length=True):
            logits = [torch.from_numpy(np.array(self.partition.features_of(i))) for i in indices]
            ids = [self.partition.utterance_ids[i] for i in indices]
            padded = torch.nn.utils.rnn.pad_sequence(logits, batch_first=True)
            yield ids, padded, torch.tensor([len(frames) for frames in logits])


def write_logits(
    path: str | Path,
    batches: Iterable[LogitBatch],
    symbols: Sequence[str],
    *,
    frame_shift_ms: float | None = None,
    source: dict[str, Any] | None = None,
) -> int:
    """Write logits as a whole or not at all; returns the number of utterances.

    Args:
        path: folder to write; older logits are replaced.
        batches: utterance ids, logits (N, T', V) and lengths (N,) of each batch.
        symbols: symbols of the V - 1 classes; the blank comes after them.
        frame_shift_ms: milliseconds between output frames.
        source: origin of the logits, stored with them.

    Raises:
        DataError: a logit is not finite, the symbols do not fit, an utterance id is a duplicate, or `path` exists and
            does not hold logits.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_logits(folder + "/l", [(["a"], torch.ones(1, 3, 2), torch.tensor([2]))], ["aa"])
    ...     [(ids, logits.shape) for ids, logits, _ in read_logits(folder + "/l").batches()]
    [(['a'], torch.Size([1, 2, 2]))]
    """
    kept = {"symbols": list(symbols), **(source or {})}
    description = PartitionDescription(len(symbols) + 1, frame_shift_ms, LOGITS, kept)
    count = 0
    with write_partition(path, description) as writer:
        for utterance_ids, logits, lengths in batches:
            for utterance_id, rows, length in zip(utterance_ids, logits, lengths.tolist(), strict=True):
                frames = rows[:length].float().cpu()
                if not frames.isfinite().all():
                    raise DataError(
                        f"{path}: utterance {utterance_id}: a logit is NaN or infinite; the model has diverged; use "
                        "the weights of another epoch"
                    )
                writer.add(utterance_id, frames.numpy(), [])
                count += 1
    return count


def require_logits_replaceable(path: str | Path) -> None:
    """Raise a DataError if `path` exists and does not hold logits; call it before logits are computed."""
    require_partition_replaceable(path, PartitionDescription(1, feature_type=LOGITS))


def read_logits(path: str | Path) -> LogitsFolder:
    """Read logits, memory-mapped.

    Raises:
        DataError: the folder does not hold logits, or is damaged.
    """
    partition = read_partition(path)
    symbols = partition.description.source.get("symbols")
    if partition.description.feature_type != LOGITS or not isinstance(symbols, list):
        found = partition.description.feature_type or "features without a name"
        raise DataError(f"{path}: holds {found}, not logits; cnn-mellin logits writes them")
    if len(symbols) + 1 != partition.num_coefficients:
        raise DataError(
            f"{path}: has {partition.num_coefficients} classes for {len(symbols)} symbols and the blank; write it again"
        )
    return LogitsFolder(partition, symbols)
