import importlib.util

import numpy as np
import pytest

from cnn_mellin.audio import resampling
from cnn_mellin.audio.resampling import resample, resampler


@pytest.fixture(params=["scipy", "soxr"])
def package(request, monkeypatch):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    monkeypatch.setattr(resampling, "resampler", lambda: request.param)


def tone(rate_hz: int, hertz: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(rate_hz) / rate_hz)).astype(np.float32)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (22050, 16000), (44100, 16000), (48000, 8000)])
def test_a_tone_keeps_its_frequency_phase_and_level(package, from_hz, to_hz):
    resampled = resample(tone(from_hz, 440.0), from_hz, to_hz)
    assert resampled.dtype == np.float32
    assert abs(len(resampled) - to_hz) <= 1
    middle = slice(to_hz // 10, -to_hz // 10)
    np.testing.assert_allclose(resampled[middle], tone(to_hz, 440.0)[: len(resampled)][middle], atol=2e-3)


def test_tones_above_half_the_new_sample_rate_are_removed(package):
    assert np.abs(resample(tone(44100, 11000.0), 44100, 16000)[1000:-1000]).max() < 0.005


def test_an_equal_sample_rate_changes_nothing():
    samples = tone(8000, 100.0)
    assert resample(samples, 8000, 8000) is samples


def test_soxr_is_used_where_it_is_installed(monkeypatch):
    pytest.importorskip("scipy", reason="scipy (the extra demo) is not installed")
    find = importlib.util.find_spec
    for found in (True, False):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, found=found: found if name == "soxr" else find(name)
        )
        resampler.cache_clear()
        assert resampler() == ("soxr" if found else "scipy")
    monkeypatch.undo()
    resampler.cache_clear()
