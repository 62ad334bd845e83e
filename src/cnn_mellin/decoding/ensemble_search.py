"""Prefix search of an ensemble, whose models score whole sequences."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import torch

from cnn_mellin.decoding.fusion import added_scores, fusion_of
from cnn_mellin.decoding.prefix_beam_search import check_num_best, prefix_beam_search
from cnn_mellin.decoding.sequence_scores import sequence_log_probs
from cnn_mellin.language_models.ngram_model import NgramModel
from cnn_mellin.tensor_kind import require_floating

__all__ = ["ensemble_search", "mean_log_posteriors"]


def mean_log_posteriors(logits: torch.Tensor) -> torch.Tensor:
    """Logarithm of the mean of the models' posteriors in each frame.

    Args:
        logits: (N, K, T, V), logits of K models.

    Returns:
        (N, T, V), float64, on the CPU.
    """
    log_probs = logits.detach().cpu().double().log_softmax(3)
    return reduce(torch.logaddexp, log_probs.unbind(1)) - math.log(logits.size(1))


def ensemble_search(
    logits: torch.Tensor,
    lengths: torch.Tensor,
    beam_width: int,
    *,
    language_model: NgramModel | None = None,
    lm_weight: float = 0.0,
    insertion_bonus: float = 0.0,
    num_best: int = 1,
) -> list[list[tuple[list[int], float]]]:
    """Find the sequences of classes that several models together score best.

    A sequence's score is the mean over the models of log p(sequence | audio), each summed over all alignments with
    that model's frames, so that models may hear a phone in different frames. Candidates are the best quarter of what a
    prefix search with each model keeps, and one with the mean of their posteriors, or `num_best` of each if that is
    more; all models score them, exactly.

    Args:
        logits: (N, K, T, V), logits of K models; the blank is the last class.
        lengths: (N,), number of frames of each utterance, in 0..T.
        beam_width, language_model, lm_weight, insertion_bonus, num_best: as in `prefix_beam_search`.

    Returns:
        One list per utterance of (classes, score), best first, as from `prefix_beam_search`.

    Raises:
        ValueError: as for `prefix_beam_search`.

    >>> early = torch.log(torch.tensor([[0.8, 0.2], [0.1, 0.9], [0.1, 0.9]]))  # one class, and the blank
    >>> late = early.flip(0)
    >>> logits = torch.stack([early, late])[None]
    >>> ((classes, score),) = ensemble_search(logits, torch.tensor([3]), 4)[0]
    >>> classes, round(score, 3)
    ([0], -0.267)
    >>> prefix_beam_search(mean_log_posteriors(logits), torch.tensor([3]), 4)[0][0][1] < -0.6  # the mean is never sure
    True
    """
    require_floating("logits", logits)
    if logits.dim() != 4 or logits.size(1) < 1 or lengths.shape != logits.shape[:1]:
        shapes = f"logits {tuple(logits.shape)} and lengths {tuple(lengths.shape)}"
        raise ValueError(f"{shapes} do not fit; they must be (N, K, T, V) and (N,)")
    check_num_best(num_best, beam_width)
    models = logits.detach().cpu().double()
    searched = torch.cat([models, mean_log_posteriors(models)[:, None]], dim=1)
    per_utterance = searched.size(1)
    beams = prefix_beam_search(
        searched.flatten(0, 1),
        lengths.cpu().repeat_interleave(per_utterance),
        beam_width,
        language_model=language_model,
        lm_weight=lm_weight,
        insertion_bonus=insertion_bonus,
        num_best=max(num_best, beam_width // 4),
    )
    fusion = fusion_of(language_model, lm_weight, insertion_bonus, logits.size(3))
    found = []
    for i, length in enumerate(lengths.tolist()):
        beam = [tuple(classes) for row in beams[i * per_utterance : (i + 1) * per_utterance] for classes, _ in row]
        candidates = [list(classes) for classes in dict.fromkeys(beam)]
        heard = torch.stack([sequence_log_probs(rows[:length], candidates) for rows in models[i]])
        scores = heard.mean(0).numpy() + added_scores(fusion, candidates)
        best = np.argsort(-scores, kind="stable")[:num_best]
        found.append([(candidates[place], float(scores[place])) for place in best])
    return found
