"""CTC prefix beam search with n-gram fusion, in log space, many utterances at a time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cnn_mellin.language_models.ngram_model import NgramModel

__all__ = ["prefix_beam_search"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]

# Candidates (prefixes times classes) that one step weighs at once: at most what the caches hold, and at least so many
# that numpy's share is larger than Python's, which threads cannot do side by side.
_MOST_CANDIDATES = 65536
_FEWEST_CANDIDATES = 16384

# What a slot without a prefix calls its parent; no prefix has this hash.
_NO_PREFIX = np.uint64(0)
_EMPTY_PREFIX = np.uint64(1)


def prefix_beam_search(
    logits: torch.Tensor,
    lengths: torch.Tensor,
    beam_width: int,
    *,
    language_model: NgramModel | None = None,
    lm_weight: float = 0.0,
    num_best: int = 1,
    num_threads: int | None = None,
) -> list[list[tuple[list[int], float]]]:
    """The best sequences of classes, each scored by all of its alignments that the beam holds.

    Args:
        logits: (N, T, V), the blank the last class; each frame is normalised here.
        lengths: (N,), frames of each utterance, in 0..T.
        beam_width: prefixes kept after each frame.
        language_model: of the V - 1 classes other than the blank, in their order.
        lm_weight: of the language model's logarithm; 0 leaves it out.
        num_best: sequences wanted an utterance, at most `beam_width`; fewer are given where fewer are possible.
        num_threads: utterances are shared among so many threads; None takes one for each core. The result does not
            depend on it.

    Returns:
        For each utterance a list, best first, of (classes, score); the score is log p_ctc + lm_weight * log p_lm, in
        natural logarithms, p_lm renormalised over the classes after each prefix and without the sentence's end.

    Raises:
        ValueError: an argument is out of bounds, shapes do not fit, or a frame within a length has no distribution
            (NaN, or all its logits are minus infinity).

    >>> logits = torch.log(torch.tensor([[[0.4, 0.6], [0.4, 0.6]]]))  # one class, and the blank
    >>> (found,) = prefix_beam_search(logits, torch.tensor([2]), 2, num_best=2)
    >>> [(classes, round(score, 4)) for classes, score in found]
    [([0], -0.4463), ([], -1.0217)]
    """
    _check(logits, lengths, beam_width, language_model, lm_weight, num_best, num_threads)
    log_probs = logits.detach().cpu().double().log_softmax(2).numpy()
    frames = np.asarray(lengths.tolist(), dtype=np.int64)
    for i, num_frames in enumerate(frames):
        if np.isnan(log_probs[i, :num_frames]).any():
            raise ValueError(f"logits[{i}] hold NaN, or a frame without any finite logit; a diverged model?")
    fused = _Fusion.of(language_model, lm_weight, logits.size(2))
    found: list[list[tuple[list[int], float]]] = [[] for _ in frames]

    def search(chosen: _Ints) -> None:
        searched = _search(log_probs, frames, chosen, beam_width, num_best, fused)
        for i, best in zip(chosen.tolist(), searched, strict=True):
            found[i] = best

    if num_threads is None:
        num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    chunks = _chunks(frames, beam_width * logits.size(2), num_threads)
    if num_threads == 1 or len(chunks) < 2:
        for chunk in chunks:
            search(chunk)
    else:
        with ThreadPoolExecutor(num_threads) as pool:
            list(pool.map(search, chunks))
    return found


@dataclass(frozen=True)
class _Fusion:
    """What extending a prefix adds, and which context follows.

    Args:
        scores: (S, V), lm_weight * log p_lm of each class after each context; 0 for the blank.
        next_contexts: (S, V), the same context for the blank.
        start: context of the empty prefix.
    """

    scores: _Floats
    next_contexts: _Ints
    start: int

    @classmethod
    def of(cls, model: NgramModel | None, weight: float, num_classes: int) -> _Fusion | None:
        if model is None or weight == 0:
            return None
        weighted = weight * model.class_log_probs()
        contexts = np.arange(len(weighted))[:, None]
        return cls(
            np.concatenate([weighted, np.zeros((len(weighted), 1))], axis=1),
            np.concatenate([model.next_contexts.astype(np.int64), contexts], axis=1),
            model.start,
        )


def _chunks(frames: _Ints, num_candidates: int, num_threads: int) -> list[_Ints]:
    """Utterances to search together: of similar length, the longest first; each has a number of candidates a frame."""
    order = np.argsort(-frames, kind="stable")
    fewest, most = (max(limit // num_candidates, 1) for limit in (_FEWEST_CANDIDATES, _MOST_CANDIDATES))
    size = min(max(-(-len(order) // num_threads), fewest), most)
    return [order[i : i + size] for i in range(0, len(order), size)]


def _search(
    all_log_probs: _Floats, all_frames: _Ints, chosen: _Ints, width: int, num_best: int, fusion: _Fusion | None
) -> list[list[tuple[list[int], float]]]:
    """Search the chosen utterances, which are ordered by falling length, frame by frame.

    A slot of the beam is one prefix; blank and nonblank are its scores over the alignments that end in a blank or in
    its last class; total is their sum. N utterances still running, W slots, V classes with the blank, which is also
    what "last class" is for the empty prefix: staying there is overwritten by the blank's own candidate.
    """
    num_chosen, num_classes = len(chosen), all_log_probs.shape[2]
    frames = all_frames[chosen]
    blank_class = num_classes - 1
    blank = np.full((num_chosen, width), -np.inf)
    blank[:, 0] = 0.0
    nonblank = np.full((num_chosen, width), -np.inf)
    total = blank.copy()
    last = np.full((num_chosen, width), blank_class)
    context = np.full((num_chosen, width), fusion.start if fusion else 0)
    hashes = np.full((num_chosen, width), _EMPTY_PREFIX)
    parents = np.full((num_chosen, width), _NO_PREFIX)
    nodes = np.zeros((num_chosen, width), dtype=np.int64)
    node_parents, node_classes, num_nodes = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)], 1
    for t in range(int(frames[0]) if num_chosen else 0):
        n = int(np.searchsorted(-frames, -t, side="left"))  # utterances longer than t frames
        frame = all_log_probs[chosen[:n], t]
        rows = np.arange(n)[:, None]
        candidates = total[:n, :, None] + frame[:, None, :]
        stay_blank = candidates[:, :, blank_class].copy()
        stay_nonblank = nonblank[:n] + frame[rows, last[:n]]
        # a class follows itself only across a blank
        slots = (rows * width + np.arange(width)) * num_classes
        flat = candidates.reshape(-1)
        flat[slots + last[:n]] = blank[:n] + frame[rows, last[:n]]
        if fusion:
            candidates += np.take(fusion.scores, context[:n], axis=0)
        # a prefix that is in the beam, reached by extending its parent, which is there too
        child, parent = divmod(np.flatnonzero(parents[:n, :, None] == hashes[:n, None, :]), width)
        if len(child):
            extension = (child // width * width + parent) * num_classes + last[:n].reshape(-1)[child]
            reached = stay_nonblank.reshape(-1)
            reached[child] = np.logaddexp(reached[child], flat[extension])
            flat[extension] = -np.inf
        candidates[:, :, blank_class] = np.logaddexp(stay_blank, stay_nonblank)
        best = np.argpartition(candidates.reshape(n, -1), (width * num_classes) - width, axis=1)[:, -width:]
        slot, symbol = divmod(best, num_classes)
        extended = symbol != blank_class
        score = flat[best + rows * (width * num_classes)]
        blank[:n] = np.where(extended, -np.inf, stay_blank[rows, slot])
        nonblank[:n] = np.where(extended, score, stay_nonblank[rows, slot])
        total[:n] = score
        last[:n] = np.where(extended, symbol, last[rows, slot])
        if fusion:
            context[:n] = fusion.next_contexts[context[rows, slot], symbol]
        old_hashes, old_nodes = hashes[rows, slot], nodes[rows, slot]
        hashes[:n] = np.where(extended, _extended_hash(old_hashes, symbol), old_hashes)
        parents[:n] = np.where(extended, old_hashes, parents[rows, slot])
        parents[:n][score == -np.inf] = _NO_PREFIX
        new = np.flatnonzero(extended)
        node_parents.append(old_nodes.reshape(-1)[new])
        node_classes.append(symbol.reshape(-1)[new])
        old_nodes.reshape(-1)[new] = np.arange(num_nodes, num_nodes + len(new))
        nodes[:n] = old_nodes
        num_nodes += len(new)
    return _n_best(total, nodes, np.concatenate(node_parents), np.concatenate(node_classes), num_best)


def _extended_hash(hashes: _Hashes, symbol: _Ints) -> _Hashes:
    """Hash of a prefix made longer by a class (the multiplications and shifts are those of splitmix64)."""
    mixed = hashes * np.uint64(0x9E3779B97F4A7C15) + symbol.astype(np.uint64) + np.uint64(1)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _n_best(
    total: _Floats, nodes: _Ints, node_parents: _Ints, node_classes: _Ints, num_best: int
) -> list[list[tuple[list[int], float]]]:
    """Follow the best slots of each utterance back to the empty prefix, which is node 0."""
    found = []
    for scores, ends in zip(total, nodes, strict=True):
        best = []
        for slot in np.argsort(-scores, kind="stable")[:num_best].tolist():
            if scores[slot] == -np.inf:
                break
            classes, node = [], int(ends[slot])
            while node:
                classes.append(int(node_classes[node]))
                node = int(node_parents[node])
            best.append((classes[::-1], float(scores[slot])))
        found.append(best)
    return found


def _check(
    logits: torch.Tensor,
    lengths: torch.Tensor,
    beam_width: int,
    language_model: NgramModel | None,
    lm_weight: float,
    num_best: int,
    num_threads: int | None,
) -> None:
    if logits.dim() != 3 or lengths.shape != logits.shape[:1]:
        shapes = f"logits {tuple(logits.shape)} and lengths {tuple(lengths.shape)}"
        raise ValueError(f"{shapes} do not fit; they must be (N, T, V) and (N,)")
    if logits.size(2) < 1:
        raise ValueError("logits have no class; the last one is the blank")
    if lengths.numel() and (int(lengths.min()) < 0 or int(lengths.max()) > logits.size(1)):
        raise ValueError(f"lengths lie in {int(lengths.min())}..{int(lengths.max())}, outside 0..{logits.size(1)}")
    if beam_width < 1:
        raise ValueError(f"beam_width is {beam_width}; it must be at least 1")
    if not 1 <= num_best <= beam_width:
        raise ValueError(f"num_best is {num_best}; it must lie in 1..beam_width, which is {beam_width}")
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"num_threads is {num_threads}; it must be at least 1, or None for all cores")
    if not (0 <= lm_weight < float("inf")):
        raise ValueError(f"lm_weight is {lm_weight}; it must be finite and 0 or more")
    if lm_weight and language_model is None:
        raise ValueError(f"lm_weight is {lm_weight}, but there is no language_model; give one, or a weight of 0")
    if language_model is not None and len(language_model.tokens) != logits.size(2) - 1:
        tokens = f"language_model has {len(language_model.tokens)} tokens"
        raise ValueError(f"{tokens}, but logits have {logits.size(2) - 1} classes beside the blank")
