"""Search of an ensemble: compared with the mean of the scores of all sequences."""

import pytest
import torch

from cnn_mellin.config.decoder_setting import DecoderSetting
from cnn_mellin.decoding.brute_force import all_sequences
from cnn_mellin.decoding.ensemble_search import ensemble_search, mean_log_posteriors
from cnn_mellin.decoding.greedy import greedy_search
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search
from cnn_mellin.decoding.recognition import recognise
from cnn_mellin.language_models import NgramModel, estimate_kneser_ney

TOKENS = ["a", "b"]
LENGTHS = [6, 4, 1, 0]


def random_logits(num_models: int) -> torch.Tensor:
    """Logits of four utterances; NaN past their lengths."""
    logits = 2 * torch.randn(4, num_models, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for rows, length in zip(logits, LENGTHS, strict=True):
        rows[:, length:] = float("nan")
    return logits


@pytest.fixture(scope="module")
def bigram() -> NgramModel:
    return NgramModel(estimate_kneser_ney([["a", "b"], ["b", "b"]], TOKENS, 2), TOKENS)


@pytest.mark.parametrize("num_models", [1, 2, 3])
@pytest.mark.parametrize(("weight", "bonus", "bias"), [(0.0, 0.0, 0.0), (0.0, 0.8, -1.1), (0.5, 0.8, 0.6)])
def test_scores_of_a_wide_search_equal_the_mean_over_the_models(bigram, num_models, weight, bonus, bias):
    logits = random_logits(num_models)
    names = ["long", "short", "one", "none"]
    batches = [(names[:1], logits[:1], torch.tensor(LENGTHS[:1])), (names[1:], logits[1:], torch.tensor(LENGTHS[1:]))]
    found = recognise(batches, DecoderSetting(300, weight, bonus, bias), bigram, num_best=300)
    assert list(found) == names
    for name, rows, length in zip(names, logits, LENGTHS, strict=True):
        totals: dict[tuple[int, ...], float] = {}
        for model in rows:
            scored = all_sequences(
                model[:length],
                language_model=bigram if weight else None,
                lm_weight=weight,
                insertion_bonus=bonus,
                blank_bias=bias,
            )
            for classes, score in scored:
                totals[tuple(classes)] = totals.get(tuple(classes), 0.0) + score / num_models
        truth = sorted(totals.values(), reverse=True)
        assert [score for _, score in found[name].n_best] == pytest.approx(truth, abs=1e-9)
        assert [totals[tuple(classes)] for classes, _ in found[name].n_best] == pytest.approx(truth, abs=1e-9)
        assert [symbol for symbol, _, _ in found[name].segments] == found[name].classes


def test_models_that_hear_phones_in_different_frames_agree():
    """Two phones, a frame earlier in one model: the mean of the posteriors is sure of no frame."""
    early = torch.full((6, 3), -3.0)
    early[[0, 3], [0, 1]] = 3.0
    early[[1, 2, 4, 5], 2] = 3.0
    logits = torch.stack([early, early.roll(1, 0)])[None]
    lengths = torch.tensor([6])
    ((found,),) = ensemble_search(logits, lengths, 8)
    ((averaged,),) = prefix_beam_search(mean_log_posteriors(logits), lengths, 8)
    assert found[0] == [0, 1]
    assert found[1] > -0.1
    assert averaged[1] < -0.5


def test_a_greedy_search_takes_the_mean_of_the_posteriors():
    logits, lengths = random_logits(3), torch.tensor(LENGTHS)
    found = recognise([(list("abcd"), logits, lengths)], DecoderSetting())
    expected = greedy_search(logits.softmax(3).mean(1).log(), lengths)
    assert [recognition.classes for recognition in found.values()] == expected


@pytest.mark.parametrize(
    ("logits", "num_best", "message"),
    [
        (torch.zeros(1, 6, 3), 1, r"logits \(1, 6, 3\) and lengths \(1,\) do not fit; they must be \(N, K, T, V\)"),
        (torch.zeros(1, 0, 6, 3), 1, "do not fit"),
        (torch.zeros(1, 2, 6, 3), 5, "num_best is 5; it must lie in 1..beam_width, which is 4"),
    ],
)
def test_wrong_arguments_are_refused(logits, num_best, message):
    with pytest.raises(ValueError, match=message):
        ensemble_search(logits, torch.tensor([6]), 4, num_best=num_best)
