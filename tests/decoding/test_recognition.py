import torch

from cnn_mellin.decoding.greedy import greedy_search
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search
from cnn_mellin.decoding.recognition import DecoderSetting, recognise


def batches():
    torch.manual_seed(1)
    first, second = torch.randn(2, 9, 4), torch.randn(1, 5, 4)
    return [(["b", "a"], first, torch.tensor([9, 6])), (["c"], second, torch.tensor([5]))]


def test_each_setting_is_its_search():
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


def test_segments_are_of_the_best_and_n_best_is_ranked():
    for recognition in recognise(batches(), DecoderSetting(8), num_best=3).values():
        assert [symbol for symbol, _, _ in recognition.segments] == recognition.classes
        scores = [score for _, score in recognition.n_best]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
