import json

import numpy as np
import pytest
import torch

from cnn_mellin.errors import DataError
from cnn_mellin.export import export_onnx, onnx_file
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.models import AcousticModel, AcousticModelConfig

onnx = pytest.importorskip("onnx", reason="onnx is not installed (the extra export)")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra export)")

PHONES = ["aa", "b", "sil"]
CASES = [
    *[
        ("fbank-81-10ms", mellin, kind, bidirectional)
        for mellin in (False, True)
        for kind in ("LSTM", "GRU", "RNN")
        for bidirectional in (False, True)
    ],
    ("sigbank-41-2ms", False, "GRU", True),
    ("sigbank-41-2ms", True, "LSTM", True),
    ("raw", False, "LSTM", True),
    ("raw", True, "GRU", False),
]


def small_model(extractor: FeatureExtractor, mellin=True, kind="GRU", bidirectional=True, **changes) -> AcousticModel:
    raw = extractor.num_coefficients == 1
    settings = {
        "convolutional_layers": 2,
        "convolutional_mellin": mellin,
        "convolutional_initial_channels": 3,
        "convolutional_time_factor": 2,
        "recurrent_type": kind,
        "recurrent_bidirectional": bidirectional,
        "recurrent_size": 5,
        "recurrent_layers": 2,
        "use_lift": True,
        "window_size": 80 if raw else 6,
        "window_stride": 50 if raw else 3,
        "seed": 1,
    }
    scale = torch.full((extractor.num_coefficients,), 10.0)
    config = AcousticModelConfig(**{**settings, **changes})
    return AcousticModel(extractor.num_coefficients, len(PHONES) + 1, config, feature_scale=scale).eval()


@pytest.mark.parametrize("normalization", ["mean", "variance"])
def test_file_normalises_utterances_as_the_model_does(tmp_path, normalization, device):
    extractor = FeatureExtractor.named("fbank-81-10ms")
    model = small_model(extractor, True, "GRU", True, utterance_normalization=normalization).to(device)
    check = export_onnx(model, extractor, PHONES, tmp_path / "m.onnx", check_seconds=(0.2, 1.3))
    assert check.num_frames == [7, 44]


@pytest.mark.parametrize("mellin", [False, True])
def test_file_has_local_branch_attention_and_anchors(tmp_path, mellin):
    extractor = FeatureExtractor.named("fbank-81-10ms")
    changes = {
        "local_branch_channels": 2,
        "window_pooling": "attention",
        "window_anchors": 2,
        "convolutional_freq_factor": 2,
    }
    model = small_model(extractor, mellin, "GRU", True, **changes)
    assert model.attention is not None
    torch.nn.init.normal_(model.attention.weight)
    check = export_onnx(model, extractor, PHONES, tmp_path / "m.onnx", check_seconds=(0.2, 1.3))
    assert check.num_frames == [7, 44]


@pytest.mark.slow
@pytest.mark.parametrize(("features", "mellin", "kind", "bidirectional"), CASES)
def test_file_agrees_with_the_model_on_any_length(tmp_path, features, mellin, kind, bidirectional):
    extractor = FeatureExtractor.named(features)
    model = small_model(extractor, mellin, kind, bidirectional)
    export_onnx(model, extractor, PHONES, tmp_path / "m.onnx", check_seconds=(0.2,))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    stream = np.random.default_rng(1)
    for num_samples in (401, 1234, 8000, 20_001):
        audio = stream.normal(0, 1000, num_samples).astype(np.float32)
        frames = extractor(torch.from_numpy(audio))
        with torch.inference_mode():
            logits, lengths = model(frames[None], torch.tensor([len(frames)]))
        posteriors, num_frames = session.run(["posteriors", "num_frames"], {"audio": audio})
        assert num_frames.tolist() == lengths.tolist()
        np.testing.assert_allclose(posteriors, logits[0].softmax(1).numpy(), atol=1e-5)
        np.testing.assert_allclose(posteriors.sum(1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "kind", "changes"),
    [
        ("fbank-81-10ms", "GRU", {}),
        ("fbank-81-10ms", "LSTM", {"recurrent_bidirectional": False}),
        ("fbank-81-10ms", "RNN", {"window_stride": 1}),
        ("fbank-81-10ms", "GRU", {"utterance_normalization": "variance"}),
        ("fbank-81-10ms", "GRU", {"recurrent_layers": 0, "convolutional_mellin": False}),
        ("sigbank-41-2ms", "GRU", {}),
        ("raw", "LSTM", {}),
    ],
)
def test_audio_too_short_for_a_frame_gives_no_posteriors(tmp_path, features, kind, changes):
    extractor = FeatureExtractor.named(features)
    model = small_model(extractor, kind=kind, **changes)
    export_onnx(model, extractor, PHONES, tmp_path / "m.onnx", check_seconds=(0.05,))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    least = next(samples for samples in range(1000) if extractor.num_frames(samples))
    for num_samples in sorted({0, 1, least // 2, least - 1, least, least + 1}):
        audio = np.random.default_rng(1).normal(0, 1000, num_samples).astype(np.float32)
        posteriors, num_frames = session.run(None, {"audio": audio})
        expected = np.zeros((0, len(PHONES) + 1))
        if num_samples >= least:
            frames = extractor(torch.from_numpy(audio))
            with torch.inference_mode():
                expected = model(frames[None], torch.tensor([len(frames)]))[0][0].softmax(1).numpy()
        assert num_frames.tolist() == [len(expected)]
        np.testing.assert_allclose(posteriors, expected, atol=1e-5)


def test_metadata_describe_input_and_output(tmp_path):
    extractor = FeatureExtractor.named("fbank-81-10ms")
    check = export_onnx(small_model(extractor), extractor, PHONES, tmp_path / "m.onnx")
    content = onnx.load(tmp_path / "m.onnx")
    metadata = {entry.key: entry.value for entry in content.metadata_props}
    assert json.loads(metadata["phones"]) == PHONES
    assert {name: metadata[name] for name in ("sample_rate_hz", "frame_shift_ms", "full_scale")} == {
        "sample_rate_hz": "16000",
        "frame_shift_ms": "30",
        "full_scale": "32768",
    }
    assert [value.name for value in content.graph.input] == ["audio"]
    assert check.num_frames == [
        (samples + 80) // 160 // 3 + bool((samples + 80) // 160 % 3) for samples in check.num_samples
    ]
    assert check.largest_difference < 1e-5


def test_models_without_some_layers_are_exported(tmp_path):
    extractor = FeatureExtractor.named("fbank-81-10ms")
    for changes in ({"recurrent_layers": 0}, {"convolutional_layers": 0}, {"use_log_compression": False}):
        export_onnx(small_model(extractor, **changes), extractor, PHONES, tmp_path / "m.onnx", check_seconds=(0.2,))


def test_a_file_that_disagrees_is_not_written(tmp_path, monkeypatch):
    extractor = FeatureExtractor.named("fbank-81-10ms")
    monkeypatch.setattr(onnx_file, "front_end", lambda _: onnx_file_with_louder_features(extractor))
    with pytest.raises(
        DataError, match=r"a posterior of onnxruntime differs from the model's by .*nothing was written"
    ):
        export_onnx(small_model(extractor), extractor, PHONES, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def onnx_file_with_louder_features(extractor: FeatureExtractor) -> torch.nn.Module:
    from cnn_mellin.export.audio_front_end import front_end

    class Louder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = front_end(extractor)
            self.min_samples, self.num_frames = self.inner.min_samples, self.inner.num_frames

        def forward(self, signal: torch.Tensor) -> torch.Tensor:
            return self.inner(signal) + 3

    return Louder()
