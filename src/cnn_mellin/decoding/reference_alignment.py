"""Alignment of the references of a partition with its frames, by a model."""

from __future__ import annotations

import logging

from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.decoding.forced_alignment import forced_alignment
from cnn_mellin.decoding.logit_source import LogitSource
from cnn_mellin.errors import DataError
from cnn_mellin.utterance_names import name_utterances

__all__ = ["align_references"]

_LOGGER = logging.getLogger(__name__)


def align_references(source: LogitSource, partition: UtteranceData) -> dict[str, list[tuple[float, float, str]]]:
    """Most likely times of the symbols of each reference under a model.

    Args:
        source: logits of the partition.
        partition: utterances with their references.

    Returns:
        Utterance -> (start, end, symbol), in seconds. An utterance that has too few frames for its symbols is left out;
        a warning counts and names them.

    Raises:
        DataError: the frame shift is unknown.

    >>> import tempfile, torch
    >>> from pathlib import Path
    >>> from cnn_mellin.data import PartitionDescription, read_partition, write_partition
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_partition(folder + "/dev", PartitionDescription(1, frame_shift_ms=10)) as writer:
    ...         writer.add("u", [[0.0]] * 4, [0, 1])
    ...     batch = (["u"], 9 * torch.eye(3)[torch.tensor([[0, 0, 2, 1]])], torch.tensor([4]))
    ...     source = LogitSource(Path(folder) / "dev", 1, ["a", "b"], [batch], frame_shift_ms=10)
    ...     align_references(source, read_partition(folder + "/dev"))
    {'u': [(0.0, 0.02, 'a'), (0.03, 0.04, 'b')]}
    """
    if source.frame_shift_ms is None:
        raise DataError(f"{source.partition_path}: does not hold its frame shift, which times need; prepare it again")
    shift_s = source.stride * source.frame_shift_ms / 1000
    row_of = {name: i for i, name in enumerate(partition.utterance_ids)}
    aligned: dict[str, list[tuple[float, float, str]]] = {}
    short = []
    for names, logits, lengths in source.batches:
        references = [partition.reference_of(row_of[name])[:, 0].tolist() for name in names]
        needed = [len(r) + sum(a == b for a, b in zip(r, r[1:], strict=False)) for r in references]
        fits = [i for i, length in enumerate(lengths.tolist()) if needed[i] <= length]
        short += [names[i] for i in range(len(names)) if i not in set(fits)]
        if not fits:
            continue
        found = forced_alignment(logits[fits], lengths[fits], [references[i] for i in fits])
        for i, segments in zip(fits, found, strict=True):
            aligned[names[i]] = [
                (round(first * shift_s, 9), round(end * shift_s, 9), source.symbols[c]) for c, first, end in segments
            ]
    if short:
        why = f"{len(short)} utterances have fewer frames than symbols and are not aligned"
        _LOGGER.warning("%s: %s: %s", source.partition_path, why, name_utterances(sorted(short)))
    return aligned
