import math
import warnings

import numpy as np
import pytest
import torch

from cnn_mellin.features import FeatureExtractor

SCALES = ["mel", "bark", {"name": "linear", "low_hz": 0.0, "slope_hz": 2.0}, {"name": "octave", "low_hz": 10.0}]
BANKS = [
    {"name": "gabor"},
    {"name": "gabor", "erb": True},
    {"name": "gabor", "scale_l2_norm": True},
    {"name": "gammatone"},
    {"name": "gammatone", "order": 2, "max_centered": True},
    {"name": "gammatone", "erb": True},
    {"name": "gammatone", "scale_l2_norm": True},
    {"name": "tri"},
    {"name": "tri", "analytic": True},
]
COMPUTERS = [
    {"frame_length_ms": 25},
    {"frame_length_ms": 25, "use_power": True, "pad_to_nearest_power_of_two": False, "use_log": False},
    {"frame_length_ms": 20.5, "frame_style": "causal", "include_energy": True, "window_function": "hamming"},
]


@pytest.fixture(scope="module")
def oracle():
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # about its optional compiler
        from pydrobert.speech.alias import alias_factory_subclass_from_arg
        from pydrobert.speech.compute import FrameComputer

        patch.setattr(np, "math", math, raising=False)  # removed in numpy 2, but its gammatones need it
        yield lambda content: alias_factory_subclass_from_arg(FrameComputer, content)


@pytest.mark.parametrize("computer", COMPUTERS, ids=["magnitude", "power", "causal"])
@pytest.mark.parametrize("bank", BANKS, ids=str)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_every_bank_on_every_scale_equals_the_oracle(oracle, scale, bank, computer):
    content = {"name": "stft", **computer, "bank": {**bank, "scaling_function": scale, "num_filts": 9}}
    signal = np.random.default_rng(3).standard_normal(1500)
    found = FeatureExtractor.from_config(content)(torch.from_numpy(signal)).numpy()
    assert np.allclose(found, oracle(content).compute_full(signal), atol=1e-9, rtol=1e-9)


def test_the_frame_length_defaults_to_that_of_the_longest_filter(oracle):
    bank = {"name": "gabor", "scaling_function": "mel", "num_filts": 9}
    signal = np.random.default_rng(4).standard_normal(8000)
    found = FeatureExtractor.from_config({"name": "stft", "bank": bank})(torch.from_numpy(signal)).numpy()
    assert len(found) == 50
    assert np.allclose(found, oracle({"name": "stft", "bank": bank}).compute_full(signal), atol=1e-9)


@pytest.mark.parametrize(
    "name", ["hann", "hamming", "black", "bartlett", "tri", {"alias": "gamma", "order": 1}], ids=str
)
def test_windows_and_kaldi_shift_equal_the_oracle(oracle, name):
    content = {"name": "stft", "bank": "fbank", "frame_length_ms": 25, "kaldi_shift": True, "window_function": name}
    signal = np.random.default_rng(5).standard_normal(1500)
    found = FeatureExtractor.from_config(content)(torch.from_numpy(signal)).numpy()
    assert np.allclose(found, oracle(content).compute_full(signal), atol=1e-9)
