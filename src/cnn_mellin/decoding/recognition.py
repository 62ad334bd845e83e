"""Recognising many utterances with one setting of the decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cnn_mellin.decoding.forced_alignment import forced_alignment
from cnn_mellin.decoding.greedy import greedy_segments
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search

if TYPE_CHECKING:
    from cnn_mellin.language_models import NgramModel

__all__ = ["DecoderSetting", "Recognition", "recognise"]

LogitBatch = tuple[Sequence[str], torch.Tensor, torch.Tensor]

# Frames, padding counted, of utterances that a prefix search sees together: it is faster with many of them, and 200,000
# frames of 49 classes are 80 MB in its double precision.
_MOST_FRAMES = 200_000


@dataclass(frozen=True)
class DecoderSetting:
    """How to decode.

    Args:
        beam_width: prefixes kept after each frame; None is a greedy search.
        lm_weight: of the language model's logarithm; 0 leaves it out.

    >>> [DecoderSetting().name, DecoderSetting(8).name, DecoderSetting(8, 0.4).name]
    ['greedy', 'beam8', 'beam8-lm0.4']
    """

    beam_width: int | None = None
    lm_weight: float = 0.0

    @property
    def name(self) -> str:
        """A name for files."""
        if self.beam_width is None:
            return "greedy"
        return f"beam{self.beam_width}" + (f"-lm{self.lm_weight:g}" if self.lm_weight else "")


@dataclass(frozen=True)
class Recognition:
    """What was recognised in an utterance.

    Args:
        n_best: (classes, score), best first; a greedy search has one, and scores it with 0.
        segments: (class, first, end) of the best, in output frames; empty where they were not asked for.
    """

    n_best: list[tuple[list[int], float]]
    segments: list[tuple[int, int, int]]

    @property
    def classes(self) -> list[int]:
        """The best sequence."""
        return self.n_best[0][0]


def recognise(
    batches: Iterable[LogitBatch],
    setting: DecoderSetting,
    language_model: NgramModel | None = None,
    *,
    num_best: int = 1,
    with_segments: bool = True,
) -> dict[str, Recognition]:
    """Utterance -> what was recognised.

    Args:
        batches: utterance ids, logits (N, T, V) and lengths (N,).
        setting: of the decoder.
        language_model: of the V - 1 classes; needed where its weight is not 0.
        num_best: sequences wanted an utterance; a greedy search gives one.
        with_segments: whether to align the best with the frames, which takes longer than a narrow search; otherwise
            segments are empty.

    Raises:
        ValueError: as the searches raise it.

    >>> logits = 9 * torch.eye(3)[torch.tensor([[0, 0, 2, 1]])]
    >>> found = recognise([(["u"], logits, torch.tensor([4]))], DecoderSetting(4))
    >>> found["u"].classes, found["u"].segments
    ([0, 1], [(0, 0, 2), (1, 3, 4)])
    """
    found: dict[str, Recognition] = {}
    for utterance_ids, logits, lengths in batches if setting.beam_width is None else _joined(batches):
        if setting.beam_width is None:
            segments = greedy_segments(logits, lengths)
            lists = [[([symbol for symbol, _, _ in row], 0.0)] for row in segments]
        else:
            model = language_model if setting.lm_weight else None
            lists = prefix_beam_search(
                logits,
                lengths,
                setting.beam_width,
                language_model=model,
                lm_weight=setting.lm_weight,
                num_best=num_best,
            )
            segments = [[] for _ in lists]
            if with_segments:
                segments = forced_alignment(logits, lengths, [row[0][0] for row in lists])
        for utterance_id, n_best, placed in zip(utterance_ids, lists, segments, strict=True):
            found[utterance_id] = Recognition(n_best, placed)
    return found


def _joined(batches: Iterable[LogitBatch]) -> Iterator[LogitBatch]:
    """Fewer, larger batches, on the CPU."""
    waiting: list[LogitBatch] = []
    for batch in batches:
        together = [*waiting, batch]
        if waiting and sum(len(ids) for ids, _, _ in together) * max(x.size(1) for _, x, _ in together) > _MOST_FRAMES:
            yield _join(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        yield _join(waiting)


def _join(batches: Sequence[LogitBatch]) -> LogitBatch:
    """One batch of several, padded with zeros."""
    if len(batches) == 1:
        return batches[0]
    longest = max(logits.size(1) for _, logits, _ in batches)
    padded = [torch.nn.functional.pad(logits.cpu(), (0, 0, 0, longest - logits.size(1))) for _, logits, _ in batches]
    ids = [utterance_id for utterance_ids, _, _ in batches for utterance_id in utterance_ids]
    return ids, torch.cat(padded), torch.cat([lengths.cpu() for _, _, lengths in batches])
