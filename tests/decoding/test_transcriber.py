import copy

import pytest
import torch

from cnn_mellin.decoding.recognition import DecoderSetting, recognise
from cnn_mellin.decoding.transcriber import Transcriber
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.models import AcousticModel, AcousticModelConfig

SYMBOLS = ["aa", "b", "sil"]


@pytest.fixture(scope="module")
def model() -> AcousticModel:
    config = AcousticModelConfig(
        window_stride=3,
        convolutional_layers=1,
        recurrent_layers=1,
        recurrent_size=4,
        seed=1,
        convolutional_kernel_time=1,
    )
    return AcousticModel(81, 4, config).eval()


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    return 1000 * torch.randn(16000, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("setting", [DecoderSetting(), DecoderSetting(4)])
def test_equals_features_then_model_then_decoder(model, samples, setting, device):
    extractor = FeatureExtractor.named("fbank-81-10ms")
    found = Transcriber(copy.deepcopy(model).to(device), SYMBOLS, extractor, setting)(samples)
    features = extractor(samples)
    with torch.inference_mode():
        logits, lengths = model(features[None], torch.tensor([len(features)]))
    expected = recognise([(["u"], logits, lengths)], setting)["u"]
    assert found.n_best[0][0] == [SYMBOLS[c] for c in expected.classes]
    assert [symbol for symbol, _, _ in found.phones] == found.n_best[0][0]
    for (_, start, end), (_, first, last) in zip(found.phones, expected.segments, strict=True):
        assert start == pytest.approx(first * 0.03)
        assert end == pytest.approx(min(last * 0.03, 1.0))
    torch.testing.assert_close(found.log_probs, logits[0].log_softmax(1), rtol=1e-4, atol=1e-3)
    assert found.duration_s == 1.0


def test_times_do_not_exceed_the_duration(model, samples):
    found = Transcriber(model, SYMBOLS, FeatureExtractor.named("fbank-81-10ms"))(samples[:15999])
    assert all(0 <= start <= end <= found.duration_s for _, start, end in found.phones)
    assert len(found.log_probs) * found.output_shift_s > found.duration_s  # the last frame extends beyond the recording


def test_too_little_audio_is_refused(model):
    with pytest.raises(ValueError, match="samples has length 20, too short for a frame"):
        Transcriber(model, SYMBOLS, FeatureExtractor.named("fbank-81-10ms"))(torch.zeros(20))
