"""Prefix beam search: compared with the sum over all alignments and a slow version, and checked by laws."""

import itertools
import random
import sys
from typing import Any

import pytest
import torch

from cnn_mellin.decoding import fusion
from cnn_mellin.decoding.blank_bias import add_blank_bias
from cnn_mellin.decoding.brute_force import all_sequences, simple_prefix_search
from cnn_mellin.decoding.greedy import greedy_search
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search
from cnn_mellin.language_models import NgramModel, estimate_kneser_ney

Found = list[tuple[list[int], float]]


def language_model(num_tokens: int, order: int = 3, seed: int = 0) -> NgramModel:
    rng = random.Random(seed)
    tokens = [f"p{i:02}" for i in range(num_tokens)]
    weights = {token: [rng.random() ** 3 for _ in tokens] for token in tokens}
    sentences = []
    for _ in range(30):
        sentence = [rng.choice(tokens)]
        while rng.random() < 0.85:
            sentence.extend(rng.choices(tokens, weights[sentence[-1]]))
        sentences.append(sentence)
    return NgramModel(estimate_kneser_ney(sentences, tokens, order), tokens)


def assert_same(found: Found, truth: Found) -> None:
    assert [classes for classes, _ in found] == [classes for classes, _ in truth]
    assert [score for _, score in found] == pytest.approx([score for _, score in truth], abs=1e-9)


@pytest.mark.parametrize("lm_weight", [0.0, 0.4, 1.5])
@pytest.mark.parametrize("num_frames", range(7))
def test_a_beam_that_holds_everything_equals_the_sum_over_all_alignments(
    num_frames: int, lm_weight: float, device: str
) -> None:
    logits = 2 * torch.randn(2, num_frames, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(num_frames))
    lengths = torch.full((2,), num_frames)
    fused: dict[str, Any] = {"language_model": language_model(3), "lm_weight": lm_weight}
    found = prefix_beam_search(logits.to(device), lengths.to(device), 1100, num_best=1100, **fused)
    for utterance, result in zip(logits, found, strict=True):
        assert_same(result, all_sequences(utterance, **fused))


@pytest.mark.parametrize("most_cells", [0, 200])  # too few for one frame's contexts; enough for some frames
def test_a_search_that_computes_scores_when_it_meets_a_context_gives_the_same(
    most_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.randn(3, 40, 7, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([40, 0, 31])
    model = language_model(6)
    fused: dict[str, Any] = {"language_model": model, "lm_weight": 0.7, "insertion_bonus": 0.3, "num_best": 8}
    expected = prefix_beam_search(logits, lengths, 8, **fused)
    monkeypatch.setattr(fusion, "_MOST_CELLS", most_cells)
    assert prefix_beam_search(logits, lengths, 8, **fused) == expected
    assert prefix_beam_search(logits, lengths, 8, num_workers=2, **fused) == expected


@pytest.mark.parametrize("case", range(48))
def test_bonus_and_bias_equal_the_sum_over_all_alignments_single_and_batched(case: int) -> None:
    rng, generator = random.Random(case), torch.Generator().manual_seed(case)
    num_classes, num_frames = rng.choice([(2, 6), (3, 6), (4, 5)])
    logits = 2 * torch.randn(3, num_frames, num_classes, dtype=torch.float64, generator=generator)
    lengths = torch.tensor([num_frames, rng.randint(0, num_frames), rng.randint(0, num_frames)])
    fused: dict[str, Any] = {"insertion_bonus": rng.choice([-2.0, -0.3, 0.5, 1.0, 3.0])}
    if case % 3:
        model = language_model(num_classes - 1, rng.choice([1, 2, 3]), case)
        fused |= {"language_model": model, "lm_weight": rng.choice([0.3, 1.0])}
    blank_bias = rng.choice([-4.0, -1.0, 0.0, 0.7])
    biased = add_blank_bias(logits, blank_bias)
    found = prefix_beam_search(biased, lengths, 1100, num_best=1100, **fused)
    for i, length in enumerate(lengths.tolist()):
        assert_same(found[i], all_sequences(logits[i, :length], blank_bias=blank_bias, **fused))
        (alone,) = prefix_beam_search(biased[i : i + 1, :length], lengths[i : i + 1], 1100, num_best=1100, **fused)
        assert found[i] == alone


@pytest.mark.parametrize("beam_width", [1, 2, 3, 5, 8, 16, 32, 128])
def test_search_equals_a_slow_one(beam_width: int) -> None:
    rng = random.Random(beam_width)
    for case in range(25):
        num_classes = rng.choice([2, 3, 6])
        fused: dict[str, Any] = {}
        if case % 2:
            model = language_model(num_classes - 1, rng.choice([1, 2, 3]), case)
            fused = {"language_model": model, "lm_weight": rng.choice([0.3, 1.0, 2.0])}
        if case % 3:
            fused["insertion_bonus"] = rng.choice([-1.0, 0.4, 2.0])
        generator = torch.Generator().manual_seed(case)
        logits = rng.choice([0.3, 1.0, 5.0]) * torch.randn(2, 12, num_classes, dtype=torch.float64, generator=generator)
        lengths = torch.tensor([rng.randint(0, 12), rng.randint(6, 12)])
        found = prefix_beam_search(logits, lengths, beam_width, num_best=beam_width, **fused)
        for utterance, length, result in zip(logits, lengths.tolist(), found, strict=True):
            assert_same(result, simple_prefix_search(utterance[:length], beam_width, **fused))


@pytest.mark.parametrize("lm_weight", [0.0, 0.7])
def test_no_bonus_and_one_too_small_to_count_give_the_same_bits(lm_weight: float) -> None:
    logits = torch.randn(4, 30, 6, generator=torch.Generator().manual_seed(2))
    fused: dict[str, Any] = {"language_model": language_model(5), "lm_weight": lm_weight, "num_best": 8}
    none, zero, tiny = (
        prefix_beam_search(logits, torch.tensor([30, 12, 0, 29]), 8, insertion_bonus=bonus, **fused)
        for bonus in (0.0, -0.0, 1e-300)
    )
    assert none == zero == tiny


def test_a_higher_bonus_never_gives_a_shorter_best_sequence() -> None:
    logits = torch.randn(20, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    lengths = torch.full((20,), 6)
    fused: dict[str, Any] = {"language_model": language_model(2), "lm_weight": 1.0}
    sizes = [
        [len(best[0][0]) for best in prefix_beam_search(logits, lengths, 200, insertion_bonus=bonus, **fused)]
        for bonus in (-3, -1, 0, 1, 3)
    ]
    for fewer, more in itertools.pairwise(sizes):
        assert all(a <= b for a, b in zip(fewer, more, strict=True))
        assert sum(fewer) < sum(more)


@pytest.mark.parametrize("num_workers", [1, 2, 3, None])
def test_batched_equals_one_by_one_for_any_number_of_processes(
    num_workers: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[prefix_beam_search.__module__]
    monkeypatch.setattr(module, "_WORTH_SHARING", 1)  # otherwise None would use one process
    logits = torch.randn(11, 20, 7, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([20, 3, 0, 17, 20, 1, 9, 12, 20, 5, 8])
    logits[1, 3:] = float("nan")  # padding may hold any values
    fused: dict[str, Any] = {"language_model": language_model(6), "lm_weight": 0.8, "insertion_bonus": 0.6}
    found = prefix_beam_search(logits, lengths, 6, num_best=4, num_workers=num_workers, **fused)
    for i, length in enumerate(lengths.tolist()):
        (alone,) = prefix_beam_search(logits[i : i + 1, :length], lengths[i : i + 1], 6, num_best=4, **fused)
        assert found[i] == alone


def test_near_certain_posteriors_give_the_greedy_path() -> None:
    logits = 40 * torch.eye(4)[torch.randint(4, (5, 30), generator=torch.Generator().manual_seed(0))]
    lengths = torch.tensor([30, 29, 0, 13, 1])
    assert [best[0][0] for best in prefix_beam_search(logits, lengths, 4)] == greedy_search(logits, lengths)


def test_five_thousand_frames_in_float32_neither_underflow_nor_lose_a_class() -> None:
    spoken = torch.randint(48, (500,), generator=torch.Generator().manual_seed(0))
    logits = torch.randn(1, 5000, 49, generator=torch.Generator().manual_seed(1))
    logits[0, ::10] += 12 * torch.nn.functional.one_hot(spoken, 49)
    logits[0, 5::10, 48] += 12
    fused: dict[str, Any] = {"language_model": language_model(48), "lm_weight": 0.01}
    ((classes, score),) = prefix_beam_search(logits, torch.tensor([5000]), 4, **fused)[0]
    assert -20000 < score < -1000
    kept = iter(classes)
    assert all(v in kept for v in spoken.tolist())


def test_a_prefix_is_merged_with_a_parent_that_returns_to_the_beam() -> None:
    # "0" falls out of the beam while "0 1" stays, and comes back through blanks of the empty prefix
    generator = torch.Generator().manual_seed(6)
    logits = 1.5 * torch.randn(300, 14, 3, dtype=torch.float64, generator=generator)
    found = prefix_beam_search(logits, torch.full((300,), 14), 3, num_best=3)
    for utterance, result in zip(logits, found, strict=True):
        assert_same(result, simple_prefix_search(utterance, 3))


def test_impossible_classes_are_left_out() -> None:
    logits = torch.tensor([[[-float("inf"), 0.1, 0.2]]]).expand(1, 3, 3)
    found = prefix_beam_search(logits, torch.tensor([3]), 20, num_best=20)[0]
    assert_same(found, all_sequences(logits[0]))
    assert [classes for classes, _ in found] == [[1], [], [1, 1]]


def test_only_blanks_and_an_empty_batch() -> None:
    assert prefix_beam_search(torch.zeros(1, 3, 1), torch.tensor([3]), 2) == [[([], 0.0)]]
    assert prefix_beam_search(torch.zeros(0, 3, 2), torch.zeros(0, dtype=torch.long), 2) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"logits": torch.zeros(2, 5)}, r"logits \(2, 5\) and lengths \(2,\) do not fit; they must be \(N, T, V\)"),
        ({"lengths": torch.tensor([5])}, r"lengths \(1,\) do not fit"),
        ({"logits": torch.zeros(2, 5, 0)}, "logits have no class"),
        ({"lengths": torch.tensor([5, 6])}, "lengths lie in 5..6, outside 0..5"),
        ({"beam_width": 0}, "beam_width is 0; it must be at least 1"),
        ({"beam_width": 2.5}, "beam_width is 2.5; it must be a whole number, at least 1"),
        ({"num_best": True}, "num_best is True; it must be a whole number"),
        ({"num_workers": 1.0}, "num_workers is 1.0; it must be a whole number"),
        ({"lm_weight": "1"}, "lm_weight is 1; it must be finite and 0 or more"),
        ({"num_best": 5}, "num_best is 5; it must lie in 1..beam_width, which is 4"),
        ({"num_best": 0}, "num_best is 0; it must lie in"),
        ({"num_workers": 0}, "num_workers is 0; it must be at least 1"),
        ({"lm_weight": -1.0}, "lm_weight is -1.0; it must be finite and 0 or more"),
        ({"lm_weight": float("nan")}, "lm_weight is nan; it must be finite"),
        ({"insertion_bonus": float("inf")}, "insertion_bonus is inf; it must be a finite number"),
        ({"insertion_bonus": "1"}, "insertion_bonus is 1; it must be a finite number"),
        ({"insertion_bonus": True}, "insertion_bonus is True; it must be a finite number"),
        ({"lm_weight": 1.0}, "lm_weight is 1.0, but there is no language_model"),
        ({"language_model": language_model(3)}, "language_model has 3 tokens, but logits have 2 classes"),
        ({"logits": torch.full((2, 5, 3), float("nan"))}, r"logits\[0\] hold NaN"),
        ({"logits": torch.full((2, 5, 3), -float("inf"))}, r"logits\[0\] hold NaN, or a frame without any finite"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    valid = {"logits": torch.zeros(2, 5, 3), "lengths": torch.tensor([5, 5]), "beam_width": 4}
    with pytest.raises(ValueError, match=message):
        prefix_beam_search(**{**valid, **arguments})
