import pytest
import torch

from cnn_mellin.decoding import recognition
from cnn_mellin.decoding.greedy import greedy_search
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search
from cnn_mellin.decoding.recognition import DecoderSetting, recognise


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
