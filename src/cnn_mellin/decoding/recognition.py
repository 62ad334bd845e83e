"""Recognition of many utterances with the same decoding options."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cnn_mellin.config.decoder_setting import DecoderSetting
from cnn_mellin.data.logits_folder import LogitBatch
from cnn_mellin.decoding.blank_bias import add_blank_bias
from cnn_mellin.decoding.ensemble_search import ensemble_search, mean_log_posteriors
from cnn_mellin.decoding.forced_alignment import forced_alignment
from cnn_mellin.decoding.greedy import greedy_segments
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search

if TYPE_CHECKING:
    from cnn_mellin.language_models import NgramModel

__all__ = ["DecoderSetting", "Recognition", "recognise"]

# Frames of all models, including padding, of the utterances in one call of the prefix search, which is faster for many
# utterances; 200,000 frames of 49 classes take 80 MB in its double precision.
_MOST_FRAMES = 200_000


@dataclass(frozen=True)
class Recognition:
    """Result of decoding one utterance.

    Args:
        n_best: list of (classes, score), best first; a greedy search gives one sequence with score 0.
        segments: (class, first frame, end frame) of the best sequence, in output frames; empty if not requested.
    """

    n_best: list[tuple[list[int], float]]
    segments: list[tuple[int, int, int]]

    @property
    def classes(self) -> list[int]:
        """Best sequence of classes."""
        return self.n_best[0][0]


def recognise(
    batches: Iterable[LogitBatch],
    setting: DecoderSetting,
    language_model: NgramModel | None = None,
    *,
    num_best: int = 1,
    with_segments: bool = True,
) -> dict[str, Recognition]:
    """Decode utterances; returns a mapping from utterance id to result.

    Args:
        batches: utterance ids, logits (N, T, V) and lengths (N,) of each batch. Logits (N, K, T, V) of K models are
            searched by `ensemble_search`; a greedy search, and the segments, are of the mean of their posteriors.
        setting: decoding options.
        language_model: language model of the V - 1 classes; required if its weight is not 0.
        num_best: maximum number of sequences per utterance; a greedy search gives one.
        with_segments: align the best sequence with the frames, which takes longer than a narrow search; otherwise the
            segments of a prefix search are empty.

    Raises:
        ValueError: the logits or options are invalid for the search.

    >>> logits = 9 * torch.eye(3)[torch.tensor([[0, 0, 2, 1]])]
    >>> found = recognise([(["u"], logits, torch.tensor([4]))], DecoderSetting(4))
    >>> found["u"].classes, found["u"].segments
    ([0, 1], [(0, 0, 2), (1, 3, 4)])
    """
    found: dict[str, Recognition] = {}
    for utterance_ids, model_logits, lengths in batches if setting.beam_width is None else _joined(batches):
        logits = add_blank_bias(model_logits, setting.blank_bias)
        if setting.beam_width is None:
            segments = greedy_segments(_frame_logits(logits), lengths)
            lists = [[([v for v, _, _ in row], 0.0)] for row in segments]
        else:
            model = language_model if setting.lm_weight else None
            search = prefix_beam_search if logits.dim() == 3 else ensemble_search
            lists = search(
                logits,
                lengths,
                setting.beam_width,
                language_model=model,
                lm_weight=setting.lm_weight,
                insertion_bonus=setting.insertion_bonus,
                num_best=num_best,
            )
            segments = [[] for _ in lists]
            if with_segments:
                segments = forced_alignment(_frame_logits(logits), lengths, [row[0][0] for row in lists])
        for utterance_id, n_best, placed in zip(utterance_ids, lists, segments, strict=True):
            found[utterance_id] = Recognition(n_best, placed)
    return found


def _frame_logits(logits: torch.Tensor) -> torch.Tensor:
    """Logits (N, T, V) of a batch, the logarithms of the mean posteriors if it has several models."""
    return logits if logits.dim() == 3 else mean_log_posteriors(logits)


def _joined(batches: Iterable[LogitBatch]) -> Iterator[LogitBatch]:
    """Join batches into fewer, larger ones on the CPU."""
    waiting: list[LogitBatch] = []
    for batch in batches:
        together = [*waiting, batch]
        rows = sum(len(ids) * math.prod(x.shape[1:-2]) for ids, x, _ in together)
        if waiting and rows * max(x.size(-2) for _, x, _ in together) > _MOST_FRAMES:
            yield _join(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        yield _join(waiting)


def _join(batches: Sequence[LogitBatch]) -> LogitBatch:
    """Join batches into one, padded with zeros."""
    if len(batches) == 1:
        return batches[0]
    longest = max(logits.size(-2) for _, logits, _ in batches)
    padded = [torch.nn.functional.pad(logits.cpu(), (0, 0, 0, longest - logits.size(-2))) for _, logits, _ in batches]
    ids = [utterance_id for utterance_ids, _, _ in batches for utterance_id in utterance_ids]
    return ids, torch.cat(padded), torch.cat([lengths.cpu() for _, _, lengths in batches])
