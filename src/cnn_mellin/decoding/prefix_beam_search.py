"""CTC prefix beam search with n-gram fusion and an insertion bonus, in log space, for batches of utterances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt
import torch

from cnn_mellin.decoding.forked_map import forked_map
from cnn_mellin.decoding.fusion import Fusion, fusion_of
from cnn_mellin.decoding.logit_batch import check_logit_batch
from cnn_mellin.language_models.ngram_model import NgramModel
from cnn_mellin.ops.sizes import size_of, whole_number

__all__ = ["check_num_best", "prefix_beam_search"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]

# Candidates (prefixes times classes) that one step processes together, so that they fit the caches.
_MOST_CANDIDATES = 131072

# Candidates of a whole search above which it is shared among processes: one process then takes about 40 ms. Below that,
# half a search takes hardly less time than a whole one, and the first search also waits 15 ms for the fork.
_WORTH_SHARING = 5e6

# Number of candidates per slot above which preselecting the best ones pays.
_MANY_BETTER = 2

# Hashes of: no prefix, such as the parent of the empty prefix; the empty prefix; a dead slot.
_NO_PREFIX = np.uint64(0)
_EMPTY_PREFIX = np.uint64(1)
_DEAD = np.uint64(2)


def prefix_beam_search(
    logits: torch.Tensor,
    lengths: torch.Tensor,
    beam_width: int,
    *,
    language_model: NgramModel | None = None,
    lm_weight: float = 0.0,
    insertion_bonus: float = 0.0,
    num_best: int = 1,
    num_workers: int | None = None,
) -> list[list[tuple[list[int], float]]]:
    """Find the best sequences of classes, each scored by the sum over all of its alignments within the beam.

    Args:
        logits: (N, T, V), logits of each utterance, normalised by this function; the blank is the last class.
        lengths: (N,), number of frames of each utterance, in 0..T.
        beam_width: number of prefixes kept after each frame.
        language_model: language model of the V - 1 classes other than the blank, in the same order.
        lm_weight: weight of the language model's log-probability; 0 to search without a language model.
        insertion_bonus: natural logarithm added to the score per class of the sequence; a language model takes
            something from the score with every class, and the bonus pays it back.
        num_best: maximum number of sequences per utterance, at most `beam_width`.
        num_workers: number of processes to share the utterances among, on Linux; they are kept for the next search.
            None uses as many as torch has threads, or one if the search is too short for sharing to pay. The result
            does not depend on it.

    Returns:
        One list per utterance of (classes, score), best first. The score is log p_ctc + lm_weight * log p_lm +
        insertion_bonus * number of classes, in natural logarithms; p_lm is renormalised over the classes after each
        prefix, without the end of the sentence.

    Raises:
        ValueError: an argument is out of bounds, dtypes or shapes do not fit, or a frame within the length has no
            distribution (a logit is NaN, or all are minus infinity).

    >>> logits = torch.log(torch.tensor([[[0.4, 0.6], [0.4, 0.6]]]))  # one class, and the blank
    >>> (found,) = prefix_beam_search(logits, torch.tensor([2]), 2, num_best=2)
    >>> [(classes, round(score, 4)) for classes, score in found]
    [([0], -0.4463), ([], -1.0217)]
    >>> prefix_beam_search(logits, torch.tensor([2]), 2, insertion_bonus=-1)[0][0][0]
    []
    """
    _check(logits, lengths, beam_width, language_model, lm_weight, insertion_bonus, num_best, num_workers)
    rows = logits.detach().cpu()
    rows = rows if rows.dtype == torch.float64 else rows.float()
    frames = np.asarray(lengths.tolist(), dtype=np.int64)
    _check_distributions(rows, frames)
    if num_workers is None:
        pays = frames.sum() * beam_width * logits.size(2) >= _WORTH_SHARING
        num_workers = torch.get_num_threads() if pays else 1
    num_workers = min(num_workers, max(len(frames), 1))
    fusion = fusion_of(language_model, lm_weight, insertion_bonus, logits.size(2))
    # sort by length, longest first; each share gets utterances of all lengths
    order = np.argsort(-frames, kind="stable")
    shares = [
        _Share(rows.numpy()[order[i::num_workers]], frames[order[i::num_workers]], beam_width, num_best, fusion)
        for i in range(num_workers)
    ]
    found: list[list[tuple[list[int], float]]] = [[] for _ in frames]
    for i, searched in enumerate(forked_map(_search_share, shares)):
        for utterance, best in zip(order[i::num_workers].tolist(), searched, strict=True):
            found[utterance] = best
    return found


@dataclass(frozen=True)
class _Share:
    """Utterances that one process searches.

    Args:
        logits: (N, T, V), float32 or float64.
        num_frames: (N,), number of frames of each utterance, in descending order.
        beam_width: number of prefixes kept after each frame.
        num_best: maximum number of sequences per utterance.
        fusion: scores of the language model and the insertion bonus, if there are any.
    """

    logits: npt.NDArray[Any]
    num_frames: _Ints
    beam_width: int
    num_best: int
    fusion: Fusion | None


def _search_share(share: _Share) -> list[list[tuple[list[int], float]]]:
    """Search all utterances of a share, together as many as fit the caches."""
    most = max(_MOST_CANDIDATES // (share.beam_width * share.logits.shape[2]), 1)
    number = -(-len(share.logits) // most)
    # pieces of equal size, since a frame of a small piece takes hardly less time than a frame of a large one
    ends = [len(share.logits) * i // max(number, 1) for i in range(number + 1)]
    return [best for i, j in pairwise(ends) for best in _search(share, slice(i, j))]


def _search(share: _Share, chosen: slice) -> list[list[tuple[list[int], float]]]:
    """Search the chosen utterances frame by frame.

    A slot of the beam holds one prefix, or is dead. A prefix that stays keeps its slot; new prefixes take the slots of
    those that leave. Values that depend only on the set of prefixes are recomputed only when that set changes.
    """
    num_frames = share.num_frames[chosen]
    # frames first, so that the utterances still running are contiguous
    logits = share.logits[chosen, : num_frames.max(initial=0)].transpose(1, 0, 2)
    frames = _log_softmax(logits.astype(np.float64, order="C"))
    blank_frames = frames[:, :, -1:].copy()
    frames[:, :, -1] = -np.inf  # the blank extends no prefix
    beam = _Beam(len(num_frames), share.beam_width, frames.shape[2], share.fusion)
    running = np.searchsorted(-num_frames, -np.arange(len(frames)), side="left").tolist()
    for t, num_running in enumerate(running):
        if num_running != beam.num_running:
            beam.keep(num_running)
        beam.step(frames[t], blank_frames[t, :num_running])
    return beam.best(share.num_best)


class _Beam:
    """The prefixes of N utterances, W slots each, of which the first n are still running; V classes with the blank.

    `blank` and `nonblank` are log-scores over the alignments that end in a blank or in the last class; `total` is their
    log-sum. Slots are numbered across utterances: slot w of utterance i is i * W + w, and N * W means no slot.
    `last_at` is the index of a slot's last class in a frame (N, V); `own_at` is its index among the candidates
    (N, W, V), the extensions of each slot by each class. The last class of the empty prefix is the blank.
    """

    def __init__(self, num_utterances: int, width: int, num_classes: int, fusion: Fusion | None) -> None:
        shape, self._size = (num_utterances, width), num_utterances * width
        self._width, self._num_classes, self._fusion = width, num_classes, fusion
        self.num_running = 0
        self._blank = np.full(shape, -np.inf)
        self._blank[:, 0] = 0.0
        self._nonblank = np.full(shape, -np.inf)
        self._total = self._blank.copy()
        self._last = np.full(self._size, num_classes - 1)
        self._context = np.full(self._size, fusion.start if fusion else 0)
        hashes = np.full(shape, _DEAD)
        hashes[:, 0] = _EMPTY_PREFIX
        self._hashes = hashes.reshape(-1)
        self._parent_hashes = np.full(self._size, _NO_PREFIX)
        self._parents = np.full(self._size, self._size)
        self._utterances = np.repeat(np.arange(num_utterances), width)
        self._last_at = self._utterances * num_classes + self._last
        self._own_at = np.arange(self._size) * num_classes + self._last
        self._candidates = np.empty((num_utterances, width, num_classes))
        self._nodes = np.zeros(self._size, dtype=np.int64)
        self._node_parents, self._node_classes = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
        self._num_nodes = 1

    def keep(self, num_running: int) -> None:
        """Continue with only the first `num_running` utterances."""
        self.num_running = num_running
        stop = num_running * self._width
        self._places = np.s_[:num_running], np.s_[:stop]
        self._bounds = np.arange(num_running + 1) * (self._width * self._num_classes)
        self._refresh()

    def _refresh(self) -> None:
        """Recompute the values that depend on the prefixes of the running utterances."""
        utterances, slots = self._places
        shape = (self.num_running, self._width)
        parents = self._parents[slots]
        self._children = (parents < self._size).nonzero()[0]
        self._reached_at = parents[self._children] * self._num_classes + self._last[self._children]
        self._running_last_at = self._last_at[slots].reshape(shape)
        self._running_own_at = self._own_at[slots].reshape(shape)
        if self._fusion:
            self._fused = self._fusion.scores_after(self._context[slots]).reshape(*shape, -1)
        self._running = self._blank[utterances], self._nonblank[utterances], self._total[utterances]
        self._running_candidates = self._candidates[utterances]
        self._flat_candidates = self._running_candidates.reshape(-1)

    def step(self, frame: _Floats, blank_frame: _Floats) -> None:
        """Advance by one frame.

        Args:
            frame: (N, V), log-probabilities, with minus infinity for the blank.
            blank_frame: (n, 1), log-probabilities of the blank.
        """
        blank, nonblank, total = self._running
        candidates, flat = self._running_candidates, self._flat_candidates
        last_scores = frame.reshape(-1).take(self._running_last_at)
        np.add(total[:, :, None], frame[: self.num_running, None], out=candidates)
        # a repeated class needs a blank in between
        flat[self._running_own_at] = blank + last_scores
        if self._fusion:
            candidates += self._fused
        nonblank += last_scores
        np.add(total, blank_frame, out=blank)
        # merge a prefix in the beam with the extension of its parent that gives the same prefix
        if len(self._children):
            reached = nonblank.reshape(-1)
            reached[self._children] = np.logaddexp(reached[self._children], flat[self._reached_at])
            flat[self._reached_at] = -np.inf
        np.logaddexp(blank, nonblank, out=total)
        # a candidate enters only if it is better than some prefix in the beam
        better = candidates > total.min(1)[:, None, None]
        count = np.count_nonzero(better)
        if count > _MANY_BETTER * total.size:  # and only if it is among the best candidates
            place = (self._num_classes - 1) * self._width
            least = np.partition(candidates.reshape(self.num_running, -1), place, axis=1)[:, place]
            better &= candidates >= least[:, None, None]
        if count:
            self._enter(better.reshape(-1).nonzero()[0])

    def _enter(self, better: _Ints) -> None:
        """Let the best candidates take the slots of worse prefixes.

        Args:
            better: indices of candidates, in ascending order.
        """
        _, _, total = self._running
        flat = self._flat_candidates
        n, width = total.shape
        ends = better.searchsorted(self._bounds)
        counts = ends[1:] - ends[:-1]
        most = int(counts.max())
        present = np.arange(most) < counts[:, None]
        pool = np.full((n, width + most), -np.inf)
        pool[:, :width] = total
        pool[:, width:][present] = flat[better]
        least = np.partition(pool, most, axis=1)[:, most, None]
        kept = pool >= least
        if np.count_nonzero(kept) != n * width:  # break ties: first the prefixes that stay, then by slot and class
            above, equal = pool > least, pool == least
            kept = above | (equal & (equal.cumsum(1) <= width - above.sum(1, keepdims=True)))
        entering = better[kept[:, width:][present]]
        if not len(entering):
            return
        slots = (~kept[:, :width]).reshape(-1).nonzero()[0]
        scores = flat[entering]
        sources, classes = np.divmod(entering, self._num_classes)
        for values, new in zip(self._running, (-np.inf, scores, scores), strict=True):
            values.reshape(-1)[slots] = new
        self._replace(slots, sources, classes)
        self._refresh()

    def _replace(self, slots: _Ints, sources: _Ints, classes: _Ints) -> None:
        """Put extensions of prefixes by classes into slots; all sources are read before any slot is written."""
        old_hashes, old_nodes = self._hashes[sources], self._nodes[sources]
        new_hashes = _extended_hash(old_hashes, classes)
        if self._fusion:
            self._context[slots] = self._fusion.contexts_after(self._context[sources], classes)
        self._hashes[slots], self._parent_hashes[slots], self._last[slots] = new_hashes, old_hashes, classes
        utterances = self._utterances[slots]
        self._last_at[slots] = utterances * self._num_classes + classes
        self._own_at[slots] = slots * self._num_classes + classes
        self._node_parents.append(old_nodes)
        self._node_classes.append(classes)
        self._nodes[slots] = np.arange(self._num_nodes, self._num_nodes + len(slots))
        self._num_nodes += len(slots)
        # prefixes that lost their parent, that have one, and whose parent has come back
        left = np.zeros(self._size + 1, dtype=bool)
        left[slots] = True
        self._parents[left[self._parents]] = self._size
        self._parents[slots] = np.where(left[sources], self._size, sources)
        families = self._parent_hashes.reshape(-1, self._width)[utterances]
        found, slot = np.divmod((families == new_hashes[:, None]).reshape(-1).nonzero()[0], self._width)
        self._parents[utterances[found] * self._width + slot] = slots[found]

    def best(self, num_best: int) -> list[list[tuple[list[int], float]]]:
        """Trace the best slots of each utterance back to the empty prefix, which is node 0."""
        node_parents, node_classes = np.concatenate(self._node_parents), np.concatenate(self._node_classes)
        found = []
        for scores, ends in zip(self._total, self._nodes.reshape(self._total.shape), strict=True):
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


def _extended_hash(hashes: _Hashes, symbol: _Ints) -> _Hashes:
    """Hash of a prefix extended by a class (with the multiplications and shifts of splitmix64)."""
    mixed = hashes * np.uint64(0x9E3779B97F4A7C15) + symbol.astype(np.uint64) + np.uint64(1)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _log_softmax(logits: _Floats) -> _Floats:
    """Log-softmax in place; torch's needs its threads, which a forked process does not have."""
    with np.errstate(invalid="ignore", divide="ignore"):  # frames past the length may hold any values
        logits -= logits.max(axis=2, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=2, keepdims=True))
    return logits


def _check_distributions(logits: torch.Tensor, frames: _Ints) -> None:
    highest = logits.amax(2)
    wrong = ~highest.isfinite() & (torch.arange(logits.size(1)) < torch.from_numpy(frames)[:, None])
    for i in wrong.any(1).nonzero().flatten().tolist():
        raise ValueError(f"logits[{i}] hold NaN, or a frame without any finite logit; has the model diverged?")


def check_num_best(num_best: int, beam_width: int) -> None:
    """Raise a ValueError if a beam does not hold this number of sequences."""
    if not 1 <= whole_number("num_best", num_best) <= beam_width:
        raise ValueError(f"num_best is {num_best}; it must lie in 1..beam_width, which is {beam_width}")


def _check(
    logits: torch.Tensor,
    lengths: torch.Tensor,
    beam_width: int,
    language_model: NgramModel | None,
    lm_weight: float,
    insertion_bonus: float,
    num_best: int,
    num_workers: int | None,
) -> None:
    check_logit_batch(logits, lengths)
    size_of("beam_width", beam_width)
    check_num_best(num_best, beam_width)
    if num_workers is not None and whole_number("num_workers", num_workers) < 1:
        raise ValueError(f"num_workers is {num_workers}; it must be at least 1, or None to choose it automatically")
    if isinstance(lm_weight, bool) or not isinstance(lm_weight, SupportsFloat) or not 0 <= lm_weight < float("inf"):
        raise ValueError(f"lm_weight is {lm_weight}; it must be finite and 0 or more")
    is_number = isinstance(insertion_bonus, SupportsFloat) and not isinstance(insertion_bonus, bool)
    if not is_number or not math.isfinite(insertion_bonus):
        raise ValueError(f"insertion_bonus is {insertion_bonus}; it must be a finite number")
    if lm_weight and language_model is None:
        raise ValueError(f"lm_weight is {lm_weight}, but there is no language_model; give one, or a weight of 0")
    if language_model is not None and len(language_model.tokens) != logits.size(2) - 1:
        tokens = f"language_model has {len(language_model.tokens)} tokens"
        raise ValueError(f"{tokens}, but logits have {logits.size(2) - 1} classes besides the blank")
