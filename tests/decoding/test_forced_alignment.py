"""Forced alignment: compared with an enumeration of all alignments, and with greedy segments."""

import itertools
import random
from collections.abc import Sequence

import pytest
import torch

from cnn_mellin.decoding.forced_alignment import forced_alignment
from cnn_mellin.decoding.greedy import greedy_search, greedy_segments


def best_of_all(log_probs: list[list[float]], classes: Sequence[int]) -> list[tuple[int, int, int]]:
    blank = len(log_probs[0]) - 1
    best, best_score = None, -float("inf")
    for alignment in itertools.product(range(blank + 1), repeat=len(log_probs)):
        if [v for v, _ in itertools.groupby(alignment) if v != blank] != list(classes):
            continue
        score = sum(frame[v] for frame, v in zip(log_probs, alignment, strict=True))
        if score > best_score:
            best, best_score = alignment, score
    assert best is not None
    segments, t = [], 0
    for v, run in itertools.groupby(best):
        end = t + len(list(run))
        segments.append((v, t, end))
        t = end
    return [segment for segment in segments if segment[0] != blank]


def test_alignment_is_the_best_of_all(device: str) -> None:
    rng = random.Random(0)
    for seed in range(40):
        num_frames = rng.randint(1, 6)
        logits = torch.randn(1, num_frames, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        classes = [rng.randrange(2) for _ in range(rng.randint(0, num_frames))]
        if len(classes) + sum(a == b for a, b in itertools.pairwise(classes)) > num_frames:
            continue
        found = forced_alignment(logits.to(device), torch.tensor([num_frames]), [classes])
        assert found == [best_of_all(logits[0].log_softmax(1).tolist(), classes)]


def test_greedy_sequences_are_aligned_as_greedy_found_them() -> None:
    logits = torch.randn(6, 40, 5, generator=torch.Generator().manual_seed(1))
    logits[2, 7:] = float("nan")  # padding may hold any values
    lengths = torch.tensor([40, 13, 7, 0, 1, 39])
    assert forced_alignment(logits, lengths, greedy_search(logits, lengths)) == greedy_segments(logits, lengths)


@pytest.mark.parametrize(
    ("shape", "lengths", "sequences", "message"),
    [
        ((1, 4, 3), [4], [[0], [1]], r"logits \(1, 4, 3\), lengths \(1,\) and 2 sequences do not fit"),
        ((1, 4, 3), [5], [[0]], "lengths lie in 5..5, outside 0..4"),
        ((1, 4, 3), [4], [[0, 2]], r"sequences\[0\] holds class 2; classes lie in 0..1"),
        ((1, 4, 3), [4], [[0, 0.5]], r"sequences\[0\] holds class 0.5; classes lie in 0..1"),
        ((1, 4, 3), [4], [[True]], r"sequences\[0\] holds class True; classes lie in 0..1"),
        ((2, 4, 3), [4, 3], [[0], [0, 1, 1]], r"sequences\[1\] needs 4 frames, but the utterance has 3"),
    ],
)
def test_wrong_arguments_are_named(
    shape: tuple[int, ...], lengths: list[int], sequences: list[list[int]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        forced_alignment(torch.zeros(shape), torch.tensor(lengths), sequences)


def test_impossible_sequences_are_named() -> None:
    logits = torch.tensor([[[0.0, -float("inf"), 0.0]] * 3])
    assert forced_alignment(logits, torch.tensor([3]), [[0]])[0][0][0] == 0
    with pytest.raises(ValueError, match=r"sequences\[0\] has no possible alignment"):
        forced_alignment(logits, torch.tensor([3]), [[1]])
