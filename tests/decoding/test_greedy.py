import itertools
from typing import Any

import pytest
import torch

from cnn_mellin.decoding.forced_alignment import forced_alignment
from cnn_mellin.decoding.greedy import greedy_search, greedy_segments
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_search_equals_a_loop_over_frames(device: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(7, 23, 4, generator=generator).to(device, dtype)
    lengths = torch.tensor([23, 0, 1, 5, 22, 10, 17])
    expected = []
    for utterance, length in zip(logits.cpu(), lengths.tolist(), strict=True):
        rows = utterance[:length].float().tolist()
        best = [row.index(max(row)) for row in rows]
        expected.append([v for v, _ in itertools.groupby(best) if v != 3])
    assert greedy_search(logits, lengths) == expected
    assert [[c for c, _, _ in segments] for segments in greedy_segments(logits, lengths.to(device))] == expected


def test_segments_are_the_frames_of_each_class() -> None:
    frames = torch.tensor([[0, 0, 2, 0, 1, 1, 2], [2, 2, 1, 1, 0, 0, 0]])
    logits = torch.eye(3)[frames]
    expected = [[(0, 0, 2), (0, 3, 4), (1, 4, 6)], [(1, 2, 4), (0, 4, 5)]]
    assert greedy_segments(logits, torch.tensor([7, 5])) == expected
    assert greedy_segments(logits, torch.tensor([0, 2])) == [[], []]


def test_no_utterances_and_no_frames() -> None:
    assert greedy_search(torch.zeros(0, 4, 3), torch.zeros(0, dtype=torch.long)) == []
    assert greedy_search(torch.zeros(2, 0, 3), torch.zeros(2, dtype=torch.long)) == [[], []]


@pytest.mark.parametrize(
    ("shape", "lengths", "message"),
    [
        ((2, 5), [5, 5], r"logits \(2, 5\) and lengths \(2,\) do not fit; they must be \(N, T, V\) and \(N,\)"),
        ((2, 5, 3), [5], r"lengths \(1,\) do not fit"),
        ((2, 5, 0), [5, 5], "logits have no class"),
        ((2, 5, 3), [5, 6], r"lengths lie in 5..6, outside 0..5"),
        ((2, 5, 3), [-1, 5], r"lengths lie in -1..5, outside 0..5"),
    ],
)
def test_wrong_shapes_are_named(shape: tuple[int, ...], lengths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        greedy_search(torch.zeros(shape), torch.tensor(lengths))


@pytest.mark.parametrize(
    ("logits", "lengths", "message"),
    [
        (torch.zeros(1, 4, 3), torch.tensor([4.0]), "lengths has dtype torch.float32; it must hold integers"),
        (torch.zeros(1, 4, 3), torch.tensor([True]), "lengths has dtype torch.bool; it must hold integers"),
        (torch.zeros(1, 4, 3), [4], "lengths is a list; it must be a tensor: convert it with torch.as_tensor"),
        (
            torch.zeros(1, 4, 3, dtype=torch.int64),
            torch.tensor([4]),
            "logits has dtype torch.int64; it must be floating",
        ),
        (torch.zeros(1, 4, 3).numpy(), torch.tensor([4]), "logits is a ndarray; it must be a tensor"),
    ],
)
def test_wrong_dtypes_are_named(logits: Any, lengths: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        greedy_search(logits, lengths)
    with pytest.raises(ValueError, match=message):
        prefix_beam_search(logits, lengths, 2)
    with pytest.raises(ValueError, match=message):
        forced_alignment(logits, lengths, [[0]])


def test_nan_is_refused_within_the_length_only() -> None:
    logits = torch.zeros(3, 4, 3)
    logits[1, 3, 0] = float("nan")
    assert greedy_search(logits, torch.tensor([4, 3, 4])) == [[0], [0], [0]]
    with pytest.raises(ValueError, match=r"logits\[1\] hold NaN \(1 of 3 utterances\)"):
        greedy_search(logits, torch.tensor([4, 4, 4]))
