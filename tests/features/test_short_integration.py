import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_mellin.features import FeatureExtractor
from cnn_mellin.features.configuration import shipped_configuration

LENGTHS = [1, 15, 16, 31, 32, 33, 47, 48, 379, 380, 381, 3712, 4096, 16_000, 100_000]


@pytest.fixture(scope="module")
def oracle():
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # about its optional compiler
        from pydrobert.speech.alias import alias_factory_subclass_from_arg
        from pydrobert.speech.compute import FrameComputer

        patch.setattr(np, "math", math, raising=False)  # removed in numpy 2, but its gammatones need it
        yield lambda content: alias_factory_subclass_from_arg(FrameComputer, content)


def sigbank(**changes):
    return {**shipped_configuration("sigbank-41-2ms"), **changes}


def signals(length: int) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(length).standard_normal(length)
    return {"noise": noise, "silence": np.zeros(length), "direct current": np.ones(length), "full": np.sign(noise)}


@pytest.fixture(scope="module")
def expected(oracle):
    computer = oracle(sigbank())
    return {
        length: {kind: computer.compute_full(signal) for kind, signal in signals(length).items()} for length in LENGTHS
    }


@pytest.mark.slow
@pytest.mark.parametrize("length", LENGTHS)
def test_float64_equals_the_oracle(expected, length):
    extractor = FeatureExtractor.named("sigbank-41-2ms")
    for kind, signal in signals(length).items():
        found = extractor(torch.from_numpy(signal)).numpy()
        assert found.shape == expected[length][kind].shape == (extractor.num_frames(length), 41), kind
        assert np.allclose(found, expected[length][kind], atol=1e-9, rtol=0), kind


@pytest.mark.slow
@pytest.mark.parametrize("length", LENGTHS)
def test_float32_at_16_bit_scale_equals_the_oracle(expected, length):
    extractor = FeatureExtractor.named("sigbank-41-2ms")
    for kind, signal in signals(length).items():
        found = extractor(torch.from_numpy(signal * 3000).float())
        assert found.dtype == torch.float32
        wanted = 3000 * expected[length][kind]
        # Far from the frequency of a constant, filters hold only rounding errors of the near ones.
        atol = 5e-5 * wanted.max(initial=0) if kind == "direct current" else 0
        assert np.allclose(found.numpy(), wanted, rtol=5e-5, atol=atol), kind


@pytest.mark.parametrize(
    "changes",
    [
        {"use_log": True},
        {"use_power": True},
        {"include_energy": False},
        {"frame_style": "causal"},
        {"pad_to_nearest_power_of_two": False},
        {"frame_style": None, "window_function": None, "frame_shift_ms": 5},
        {"bank": {"name": "gabor", "scaling_function": "bark", "num_filts": 8, "erb": True}},
        {"bank": {"name": "gammatone", "scaling_function": "mel", "num_filts": 8}},
        {"bank": {"name": "tonebank", "scaling_function": "mel", "num_filts": 8, "max_centered": True}},
        {"bank": {"name": "tri", "scaling_function": {"name": "linear", "low_hz": 0.0}, "num_filts": 8}},
        {"bank": {"name": "fbank", "num_filts": 4, "analytic": True}},
    ],
    ids=str,
)
def test_options_equal_the_oracle(oracle, changes):
    content = sigbank(**changes)
    extractor, computer = FeatureExtractor.from_config(content), oracle(content)
    for length in (1, 33, 1000, 3001):
        signal = signals(length)["noise"]
        assert np.allclose(
            extractor(torch.from_numpy(signal)).numpy(), computer.compute_full(signal), atol=1e-9, rtol=1e-9
        )


def test_causal_filters_shorter_than_a_shift_lose_the_last_frame_as_in_the_oracle(oracle):
    content = sigbank(bank={"name": "gammatone", "scaling_function": "mel", "num_filts": 4}, frame_style="causal")
    content["frame_shift_ms"] = 4
    signal = signals(5000)["noise"]
    extractor = FeatureExtractor.from_config(content)
    assert extractor.num_frames(5000) == (5000 + 32) // 64 - 1
    wanted = oracle(content).compute_full(signal)
    assert np.allclose(extractor(torch.from_numpy(signal)).numpy(), wanted, atol=1e-9, rtol=1e-9)


def test_frames_equal_their_definition():
    """The sum of one frame, written out: filters of 380 samples, frames of 64 samples centered on sample 32 i."""
    from cnn_mellin.features.gabor_bank import GaborBank
    from cnn_mellin.features.scale import Scale

    signal = signals(1000)["noise"]
    features = FeatureExtractor.named("sigbank-41-2ms")(torch.from_numpy(signal)).numpy()
    response = np.roll(GaborBank(Scale("mel"), 40, 20, 8000, 16000).impulse_response(7, 512), 191)[:380]
    filtered = np.abs(np.convolve(signal, response))
    window = np.hanning(64) / (0.5 * 63)
    for frame in (5, 12):
        start = 190 + 32 * (frame - 1)
        assert np.isclose(features[frame, 8], filtered[start : start + 64] @ window, rtol=1e-12)
        assert np.isclose(features[frame, 0], np.abs(signal[start - 190 : start - 126]) @ window, rtol=1e-12)


def test_batched_equals_one_by_one(device):
    extractor = FeatureExtractor.named("sigbank-41-2ms").to(device)
    lengths = torch.tensor([1000, 5, 4321], device=device)
    batch = torch.randn(3, 4321, dtype=torch.float64, device=device)
    features, frames = extractor(batch, lengths)
    for i, length in enumerate(lengths.tolist()):
        alone = extractor(batch[i, :length])
        assert int(frames[i]) == len(alone) == extractor.num_frames(length)
        assert torch.equal(features[i, : len(alone)], alone)
        assert not features[i, len(alone) :].any()


def test_gradients_flow_into_the_signal_and_both_ways_agree():
    signal = torch.randn(150, dtype=torch.float64, requires_grad=True)
    extractor = FeatureExtractor.named("sigbank-41-2ms")
    assert torch.autograd.gradcheck(lambda signal: extractor(signal)[:, ::10].sum(), signal, fast_mode=True)
    with torch.inference_mode():
        assert torch.allclose(extractor(signal.detach()), extractor(signal), atol=1e-12)
    with torch.no_grad():
        without = extractor(signal)
    assert torch.allclose(without, extractor(signal), atol=1e-12)


def test_silence_has_a_gradient_of_zero():
    signal = torch.zeros(500, requires_grad=True)
    FeatureExtractor.named("sigbank-41-2ms")(signal).sum().backward()
    assert signal.grad is not None
    assert torch.equal(signal.grad, torch.zeros(500))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc/self/status (Linux) tells the peak")
def test_a_long_signal_takes_no_more_memory_than_its_features():
    program = (
        "import torch; from cnn_mellin.features import FeatureExtractor\n"
        "def status(name): return int(open('/proc/self/status').read().split(name + ':')[1].split()[0]) / 1024\n"
        "extractor = FeatureExtractor.named('sigbank-41-2ms'); extractor(torch.ones(16000))\n"
        "signal = torch.ones(5 * 60 * 16000); before = status('VmRSS')\n"
        "features = extractor(signal); print(status('VmHWM') - before, features.nbytes / 2**20)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    taken, features = map(float, done.stdout.split())
    assert features > 20
    assert taken < features + 20
