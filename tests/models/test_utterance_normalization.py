"""Normalisation over the frames of an utterance."""

import pytest
import torch

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.models import AcousticModel
from cnn_mellin.models.utterance_normalization import normalized_utterances


def test_mean_and_variance_are_those_of_the_utterance():
    features = torch.randn(2, 50, 3) * 5 + 7
    found = normalized_utterances(features, torch.tensor([50, 20]), variance=True)
    for utterance, length in ((found[0], 50), (found[1], 20)):
        assert torch.allclose(utterance[:length].mean(0), torch.zeros(3), atol=1e-5)
        assert torch.allclose(utterance[:length].std(0, correction=0), torch.ones(3), atol=1e-3)
        assert not utterance[length:].any()
    assert torch.allclose(found[0], normalized_utterances(features[:1], variance=True)[0], atol=1e-5)


def test_a_constant_coefficient_becomes_zero():
    assert not normalized_utterances(torch.ones(1, 4, 2), torch.tensor([4]), variance=True).any()


@pytest.mark.parametrize("normalization", ["mean", "variance"])
def test_outputs_do_not_depend_on_loudness(normalization):
    config = AcousticModelConfig(utterance_normalization=normalization, convolutional_layers=1, seed=1)
    model = AcousticModel(5, 4, config).double()
    features, lengths = torch.rand(1, 30, 5, dtype=torch.float64) + 1000, torch.tensor([30])
    quiet, loud = (model(features * gain, lengths)[0] for gain in (1.0, 10.0))
    assert torch.allclose(quiet, loud, atol=1e-5)
    model.config.utterance_normalization = "none"
    assert not torch.allclose(model(features, lengths)[0], model(features * 10, lengths)[0], atol=1e-3)


def test_frames_past_the_length_are_not_read():
    config = AcousticModelConfig(utterance_normalization="variance", convolutional_layers=1, seed=1)
    model = AcousticModel(5, 4, config)
    features = torch.rand(1, 30, 5)
    features[0, 20:] = torch.nan
    logits, _ = model(features, torch.tensor([20]))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


def test_lengths_that_do_not_fit_are_named():
    model = AcousticModel(5, 4, AcousticModelConfig(utterance_normalization="mean", convolutional_layers=1))
    with pytest.raises(ValueError, match=r"lengths\[0\] is 31 but features have 30 frames"):
        model(torch.rand(1, 30, 5), torch.tensor([31]))
