"""Recognising many utterances with one setting of the decoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        segments: (class, first, end) of the best, in output frames.
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
) -> dict[str, Recognition]:
    """Utterance -> what was recognised.

    Args:
        batches: utterance ids, logits (N, T, V) and lengths (N,); large batches are fastest.
        setting: of the decoder.
        language_model: of the V - 1 classes; needed where its weight is not 0.
        num_best: sequences wanted an utterance; a greedy search gives one.

    Raises:
        ValueError: as the searches raise it.

    >>> logits = 9 * torch.eye(3)[torch.tensor([[0, 0, 2, 1]])]
    >>> found = recognise([(["u"], logits, torch.tensor([4]))], DecoderSetting(4))
    >>> found["u"].classes, found["u"].segments
    ([0, 1], [(0, 0, 2), (1, 3, 4)])
    """
    found: dict[str, Recognition] = {}
    for utterance_ids, logits, lengths in batches:
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
            segments = forced_alignment(logits, lengths, [row[0][0] for row in lists])
        for utterance_id, n_best, placed in zip(utterance_ids, lists, segments, strict=True):
            found[utterance_id] = Recognition(n_best, placed)
    return found
