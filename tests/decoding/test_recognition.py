import pytest
import torch

from cnn_mellin.decoding import recognition
from cnn_mellin.decoding.brute_force import all_sequences
from cnn_mellin.decoding.greedy import greedy_search
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search
from cnn_mellin.decoding.recognition import DecoderSetting, recognise
from cnn_mellin.language_models import NgramModel, estimate_kneser_ney


def batches():
    torch.manual_seed(1)
    first, second = torch.randn(2, 9, 4), torch.randn(1, 5, 4)
    return [(["b", "a"], first, torch.tensor([9, 6])), (["c"], second, torch.tensor([5]))]


def test_options_select_the_search():
    for setting in (DecoderSetting(), DecoderSetting(6)):
        found = recognise(batches(), setting)
        assert list(found) == ["b", "a", "c"]
        for names, logits, lengths in batches():
            expected = (
                greedy_search(logits, lengths)
                if setting.beam_width is None
                else [row[0][0] for row in prefix_beam_search(logits, lengths, 6)]
            )
            assert [found[name].classes for name in names] == expected


@pytest.mark.parametrize("fused", [False, True])
def test_bonus_bias_and_language_model_equal_the_sum_over_all_alignments(fused):
    tokens = ["a", "b"]
    model = NgramModel(estimate_kneser_ney([["a", "b"], ["b", "b"]], tokens, 2), tokens) if fused else None
    rows = 2 * torch.randn(6, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    lengths = [6, 5, 4, 6, 2, 0]
    together = [
        (["a", "b", "c"], rows[:3], torch.tensor(lengths[:3])),
        (["d", "e", "f"], rows[3:], torch.tensor([6, 2, 0])),
    ]
    weight = 0.5 if fused else 0.0
    found = recognise(together, DecoderSetting(300, weight, 0.8, -1.1), model, num_best=300)
    for name, utterance, length in zip("abcdef", rows, lengths, strict=True):
        truth = all_sequences(
            utterance[:length], language_model=model, lm_weight=weight, insertion_bonus=0.8, blank_bias=-1.1
        )
        assert [classes for classes, _ in found[name].n_best] == [classes for classes, _ in truth]
        assert [score for _, score in found[name].n_best] == pytest.approx([score for _, score in truth], abs=1e-9)


def test_a_bias_of_the_blank_moves_greedy_search_and_segments():
    logits = torch.tensor([[[2.0, 3.0], [0.0, 9.0], [2.0, 3.0]]])
    for width in (None, 4):
        found = [recognise([(["u"], logits, torch.tensor([3]))], DecoderSetting(width, 0, 0, bias)) for bias in (0, -5)]
        assert [recognised["u"].classes for recognised in found] == [[], [0, 0]]
        assert found[1]["u"].segments == [(0, 0, 1), (0, 2, 3)]


def test_segments_are_those_of_the_best_sequence_and_n_best_is_sorted():
    for found in recognise(batches(), DecoderSetting(8), num_best=3).values():
        assert [symbol for symbol, _, _ in found.segments] == found.classes
        scores = [score for _, score in found.n_best]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)


def test_n_best_is_the_same_without_segments():
    found, aligned = (recognise(batches(), DecoderSetting(8), with_segments=wanted) for wanted in (False, True))
    assert {name: recognition.n_best for name, recognition in found.items()} == {
        name: recognition.n_best for name, recognition in aligned.items()
    }
    assert all(recognition.segments == [] for recognition in found.values())


@pytest.mark.parametrize(("most_frames", "sizes"), [(200_000, [6]), (45, [5, 1]), (44, [3, 3]), (1, [2, 1, 2, 1])])
def test_joining_batches_does_not_change_the_result(monkeypatch, most_frames, sizes):
    seen = []

    def search(logits, *arguments, **options):
        seen.append(len(logits))
        return prefix_beam_search(logits, *arguments, **options)

    four = [*batches(), *(([f"{name}2" for name in ids], x, lengths) for ids, x, lengths in batches())]
    alone = recognise(four[:2], DecoderSetting(5))
    monkeypatch.setattr(recognition, "_MOST_FRAMES", most_frames)
    monkeypatch.setattr(recognition, "prefix_beam_search", search)
    found = recognise(iter(four), DecoderSetting(5))
    assert seen == sizes
    assert list(found) == ["b", "a", "c", "b2", "a2", "c2"]
    assert all(found[name] == found[f"{name}2"] == expected for name, expected in alone.items())
