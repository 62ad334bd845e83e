import warnings

import numpy as np
import pytest
import torch

from cnn_mellin.errors import SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.features.configuration import shipped_configuration

LENGTHS = [1, 79, 80, 200, 201, 239, 240, 241, 399, 400, 401, 559, 560, 561, 1000, 16000, 100_000]


@pytest.fixture(scope="module")
def oracle():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its optional compiler
        from pydrobert.speech.alias import alias_factory_subclass_from_arg
        from pydrobert.speech.compute import FrameComputer

        return lambda **changes: alias_factory_subclass_from_arg(
            FrameComputer, {**shipped_configuration("fbank-81-10ms"), **changes}
        )


def signals(length: int) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(length).standard_normal(length)
    return {"noise": noise, "silence": np.zeros(length), "direct current": np.ones(length), "full": np.sign(noise)}


@pytest.mark.parametrize("length", LENGTHS)
def test_float64_equals_the_oracle(oracle, length):
    extractor = FeatureExtractor.named("fbank-81-10ms")
    for kind, signal in signals(length).items():
        expected = oracle().compute_full(signal)
        found = extractor(torch.from_numpy(signal)).numpy()
        assert found.shape == expected.shape == (extractor.num_frames(length), 81), kind
        assert np.allclose(found, expected, atol=1e-9, rtol=0), kind


@pytest.mark.parametrize("length", LENGTHS)
def test_float32_at_16_bit_scale_equals_the_oracle(oracle, length):
    signal = np.round(3000 * signals(length)["noise"])
    expected = oracle().compute_full(signal)
    found = FeatureExtractor.named("fbank-81-10ms")(torch.from_numpy(signal).float())
    assert found.dtype == torch.float32
    assert np.allclose(found.numpy(), expected, rtol=5e-5, atol=0)


@pytest.mark.parametrize("changes", [{"use_log": True}, {"use_power": True}, {"include_energy": False}], ids=str)
def test_options_equal_the_oracle(oracle, changes):
    signal = signals(5000)["noise"]
    extractor = FeatureExtractor.from_config({**shipped_configuration("fbank-81-10ms"), **changes})
    expected = oracle(**changes).compute_full(signal)
    assert np.allclose(extractor(torch.from_numpy(signal)).numpy(), expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["fbank-81-10ms", "raw"])
def test_batched_equals_one_by_one(name, device):
    extractor = FeatureExtractor.named(name).to(device)
    lengths = torch.tensor([1000, 5, 4321], device=device)
    batch = torch.randn(3, 4321, dtype=torch.float64, device=device)
    features, frames = extractor(batch, lengths)
    for i, length in enumerate(lengths.tolist()):
        alone = extractor(batch[i, :length])
        assert int(frames[i]) == len(alone) == extractor.num_frames(length)
        assert torch.equal(features[i, : len(alone)], alone)
        assert not features[i, len(alone) :].any()


def test_gradients_flow_into_the_signal():
    signal = torch.randn(600, dtype=torch.float64, requires_grad=True)
    extractor = FeatureExtractor.named("fbank-81-10ms")
    assert torch.autograd.gradcheck(lambda signal: extractor(signal)[:, ::20].sum(), signal, fast_mode=True)


def test_silence_has_a_gradient_of_zero():
    signal = torch.zeros(600, requires_grad=True)
    FeatureExtractor.named("fbank-81-10ms")(signal).sum().backward()
    assert signal.grad is not None
    assert torch.equal(signal.grad, torch.zeros(600))


def test_raw_features_are_the_samples():
    extractor = FeatureExtractor.named("raw")
    assert (extractor.num_coefficients, extractor.configuration) == (1, {})
    assert extractor(torch.tensor([3.0, 4.0])).tolist() == [[3.0], [4.0]]


def test_long_signals_are_computed_in_pieces_with_equal_results(monkeypatch):
    import cnn_mellin.features.extractor as module

    signal = torch.randn(50_000, dtype=torch.float64)
    whole = FeatureExtractor.named("fbank-81-10ms")(signal)
    monkeypatch.setattr(module, "_FRAMES_AT_ONCE", 7)
    assert torch.allclose(FeatureExtractor.named("fbank-81-10ms")(signal), whole, atol=1e-12)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"name": "stft", "bank": {"name": "fbank"}, "frame_shift": 10}',
            "frame_shift: unknown key; did you mean",
        ),
        ('{"name": "stft", "bank": {"name": "fbank", "filts": 3}}', "bank.filts: unknown key; did you mean"),
        ('{"name": "stft", "bank": {"name": "fbank", "num_filts": 0}}', "bank.num_filts = 0"),
        ('{"name": "stft", "bank": {"name": "fbank", "high_hz": 9000}}', "bank.high_hz = 9000: must rise and"),
        ('{"name": "stft"}', "bank"),
        ('{"name": "cepstrum", "bank": {"name": "fbank"}}', "name = cepstrum"),
        ("[]", "holds a JSON list; expected an object"),
        ("{", "not JSON"),
        ('{"name": ' + "[" * 99999, "is not JSON|is nested too deeply"),
        ('{"name": ' + "[" * 999 + "]" * 999 + "}", "is nested too deeply; expected JSON of a few levels"),
        ('{"name": "stft", "name": "stft"}', "is not JSON .duplicate name 'name'"),
    ],
)
def test_wrong_configurations_are_refused(tmp_path, content, message):
    path = tmp_path / "f.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=message) as caught:
        FeatureExtractor.from_json(path)
    assert str(path) in str(caught.value)


def test_unknown_names_and_missing_files_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="fbank-81: unknown; did you mean 'fbank-81-10ms'"):
        FeatureExtractor.named("fbank-81")
    with pytest.raises(
        SettingsError,
        match="none.json: does not exist, on disk or among the shipped files; choose from fbank-81-10ms, sig",
    ):
        FeatureExtractor.from_json(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["fbank-81-10ms", "sigbank-41-2ms", "raw"])
@pytest.mark.parametrize(
    ("signal", "lengths", "message"),
    [
        (
            torch.ones(900, dtype=torch.int16),
            None,
            "signal has dtype torch.int16; it must be floating-point: convert it",
        ),
        (torch.ones(900).half(), None, "signal has dtype torch.float16; it must be float32 or float64"),
        (torch.ones(900).numpy(), None, "signal is a ndarray; it must be a tensor"),
        (
            torch.ones(2, 900),
            torch.tensor([900.0, 9.0]),
            "lengths has dtype torch.float32; it must hold integers",
        ),
        (
            torch.ones(2, 900),
            torch.tensor([900, 901]),
            r"lengths lie in 900..901, outside 0..900, the samples of signal",
        ),
        (torch.ones(2, 900), torch.tensor([-1, 900]), r"lengths lie in -1..900, outside 0..900"),
        (torch.tensor([0.0, float("nan"), 1.0]), None, r"signal\[1\] is nan; samples must be finite \(1 are not\)"),
        (torch.tensor([float("inf"), -float("inf")]), None, r"signal\[0\] is inf; samples must be finite"),
        (torch.tensor([[1.0, 2.0], [3.0, float("nan")]]), torch.tensor([2, 2]), r"signal\[1, 1\] is nan; samples must"),
    ],
)
def test_wrong_signals_are_refused(name, signal, lengths, message):
    with pytest.raises(ValueError, match=message):
        FeatureExtractor.named(name)(signal, lengths)


def test_signals_are_accepted_under_vmap_and_on_meta():
    extractor = FeatureExtractor.named("fbank-81-10ms")
    signals = torch.randn(2, 900)
    assert torch.allclose(torch.vmap(extractor)(signals)[1], extractor(signals[1]), atol=1e-5)
    assert FeatureExtractor.named("raw")(torch.ones(900, device="meta")).shape == (900, 1)
    large = torch.full((4,), 3e38)  # finite, but their sum is not
    assert FeatureExtractor.named("raw")(large).shape == (4, 1)


def test_wrong_shapes_are_refused():
    extractor = FeatureExtractor.named("fbank-81-10ms")
    with pytest.raises(ValueError, match=r"signal has shape \(2, 5\); it must be \(samples,\), or pass lengths"):
        extractor(torch.zeros(2, 5))
    with pytest.raises(ValueError, match="do not fit; they must be"):
        extractor(torch.zeros(2, 5), torch.tensor([5]))
