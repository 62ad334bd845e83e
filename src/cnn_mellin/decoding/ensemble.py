"""Ensemble of models, to be decoded together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch

from cnn_mellin.data.logits_folder import LogitBatch
from cnn_mellin.decoding.ensemble_search import mean_log_posteriors
from cnn_mellin.decoding.logit_source import LogitSource
from cnn_mellin.errors import DataError

__all__ = ["COMBINATIONS", "ensemble_source"]

COMBINATIONS = ("posteriors", "sequences")


def ensemble_source(
    sources: Sequence[LogitSource], names: Sequence[str], *, combine: str = "posteriors"
) -> LogitSource:
    """Logits of an ensemble.

    Args:
        sources: logits of the same partition, one source per model; all are iterated over at the same pace.
        names: name of each model for error messages, such as its folder.
        combine: one of COMBINATIONS. "posteriors": the logits are the logarithm, in float64, of the mean of the models'
            posteriors in each frame, (N, T', V). "sequences": they are the logarithms of the posteriors of every model,
            in float32, (N, K, T', V), so that `recognise` lets each model score whole sequences.

    Returns:
        A source with the batches of the first one; the first one itself if it is alone.

    Raises:
        ValueError: `combine` is unknown.
        DataError: the models differ in their symbols or in the time between output frames; or, once the batches are
            iterated over, in the utterances or the numbers of their frames.

    >>> from pathlib import Path
    >>> frames = [torch.log(torch.tensor([[[p, 1 - p]]])) for p in (0.9, 0.5)]
    >>> models = [LogitSource(Path("dev"), 1, ["aa"], [(["u"], x, torch.tensor([1]))]) for x in frames]
    >>> ((_, logits, _),) = ensemble_source(models, ["seed1", "seed2"]).batches
    >>> [round(p, 3) for p in logits.exp().flatten().tolist()]
    [0.7, 0.3]
    """
    if combine not in COMBINATIONS:
        raise ValueError(f"combine is {combine!r}; it must be one of {', '.join(COMBINATIONS)}")
    first, *others = sources
    for source, name in zip(others, names[1:], strict=True):
        _require_same_classes(first, names[0], source, name)
        _require_same_shift(first, names[0], source, name)
    if not others:
        return first
    return replace(first, batches=_joint_batches(sources, names, combine))


def _require_same_classes(first: LogitSource, first_name: str, source: LogitSource, name: str) -> None:
    ours, theirs = list(source.symbols), list(first.symbols)
    if ours == theirs:
        return
    how = f"has {len(ours)} symbols, and {first_name} has {len(theirs)}"
    if len(ours) == len(theirs):
        place = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
        how = f"class {place} is {ours[place]!r}, but {theirs[place]!r} in {first_name}"
    raise DataError(f"{name}: {how}; decode only models of the same symbols together")


def _require_same_shift(first: LogitSource, first_name: str, source: LogitSource, name: str) -> None:
    shifts = [None if s.frame_shift_ms is None else s.stride * s.frame_shift_ms for s in (source, first)]
    if None not in shifts and not math.isclose(*map(float, filter(None, shifts))):
        raise DataError(
            f"{name}: its output frames are {shifts[0]:g} ms apart, but those of {first_name} {shifts[1]:g} ms; decode "
            "only models of the same window_stride and features together"
        )


def _joint_batches(sources: Sequence[LogitSource], names: Sequence[str], combine: str) -> Iterator[LogitBatch]:
    streams = [_UtteranceStream(source.batches, name) for source, name in zip(sources[1:], names[1:], strict=True)]
    for utterance_ids, logits, lengths in sources[0].batches:
        each = [logits.detach().cpu().double()]
        for stream in streams:
            joined = torch.zeros_like(each[0])
            for row, utterance_id, length in zip(joined, utterance_ids, lengths.tolist(), strict=True):
                found = stream.take(utterance_id)
                if len(found) != length:
                    raise DataError(
                        f"{stream.name}: utterance {utterance_id} has {len(found)} output frames, but {length} in "
                        f"{names[0]}; decode only models of the same window_stride and features together"
                    )
                row[:length] = found
            each.append(joined)
        every = torch.stack(each, dim=1)
        combined = mean_log_posteriors(every) if combine == "posteriors" else every.log_softmax(3).float()
        yield utterance_ids, combined, lengths.cpu()


class _UtteranceStream:
    """Logits of single utterances of a source, whose batches are read as far as is needed.

    Args:
        batches: batches of the source.
        name: name of the model for error messages.
    """

    def __init__(self, batches: Iterable[LogitBatch], name: str) -> None:
        self.name = name
        self._batches, self._waiting = iter(batches), dict[str, torch.Tensor]()

    def take(self, utterance_id: str) -> torch.Tensor:
        """Logits (T', V) of an utterance.

        Raises:
            DataError: the source has no such utterance.
        """
        while utterance_id not in self._waiting:
            batch = next(self._batches, None)
            if batch is None:
                raise DataError(f"{self.name}: has no logits of utterance {utterance_id}; decode the same partition")
            for name, rows, length in zip(batch[0], batch[1].cpu(), batch[2].tolist(), strict=True):
                self._waiting[name] = rows[:length]
        return self._waiting.pop(utterance_id)
