from typing import Any

import pytest
import torch

from cnn_mellin.export.audio_front_end import front_end
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.features.configuration import shipped_configuration


def varied(name: str, **changes) -> FeatureExtractor:
    content = dict(shipped_configuration(name)) | changes
    return FeatureExtractor.from_config(content, name)


EXTRACTORS = {
    "fbank": lambda: FeatureExtractor.named("fbank-81-10ms"),
    "sigbank": lambda: FeatureExtractor.named("sigbank-41-2ms"),
    "raw": lambda: FeatureExtractor.named("raw"),
    "fbank of magnitudes": lambda: varied("fbank-81-10ms", use_power=False, use_log=False),
    "fbank without energy": lambda: varied("fbank-81-10ms", include_energy=False, frame_style="causal"),
    "sigbank of powers": lambda: varied("sigbank-41-2ms", use_power=True, include_energy=False),
    "causal sigbank": lambda: varied("sigbank-41-2ms", frame_style="causal"),
}


@pytest.mark.parametrize("name", EXTRACTORS)
@pytest.mark.parametrize("num_samples", [300, 1601, 9999])
def test_equals_the_extractor(name, num_samples):
    extractor = EXTRACTORS[name]()
    signal = (1000 * torch.randn(num_samples, generator=torch.Generator().manual_seed(1))).round()
    expected, found = extractor(signal), front_end(extractor)(signal)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-3)


def test_silence_gives_the_log_floor():
    extractor = FeatureExtractor.named("fbank-81-10ms")
    torch.testing.assert_close(front_end(extractor)(torch.zeros(2000)), extractor(torch.zeros(2000)))


@pytest.mark.parametrize("name", EXTRACTORS)
def test_number_of_frames_equals_the_extractors(name):
    extractor = EXTRACTORS[name]()
    module: Any = front_end(extractor)
    for num_samples in range(1500):
        assert module.num_frames(num_samples) == extractor.num_frames(num_samples)
    assert extractor.num_frames(module.min_samples - 1) == 0 < extractor.num_frames(module.min_samples)
