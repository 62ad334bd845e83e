"""ONNX files of trained models: audio in, phone posteriors out."""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.export.audio_front_end import front_end
from cnn_mellin.export.static_mellin import StaticMellin
from cnn_mellin.extras import missing_packages
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.layers import MellinConv1d, MellinLinearConv2d
from cnn_mellin.models import AcousticModel
from cnn_mellin.models.layer_plan import plan_layers
from cnn_mellin.ops.window_correlation import num_windows

__all__ = ["OnnxCheck", "export_onnx", "model_metadata"]

_OPSET = 17
# Largest difference allowed between posteriors: float32 sums in another order, through logarithms and recurrent layers.
_TOLERANCE = 1e-3
_FULL_SCALE = 32768


@dataclass(frozen=True)
class OnnxCheck:
    """Comparison of an exported file with its model.

    Args:
        num_samples: lengths of the signals compared.
        num_frames: frames of posteriors of each signal.
        largest_difference: largest absolute difference between posteriors of the file and of the model.
    """

    num_samples: list[int]
    num_frames: list[int]
    largest_difference: float


def export_onnx(
    model: AcousticModel,
    extractor: FeatureExtractor,
    symbols: Sequence[str],
    path: str | Path,
    *,
    check_seconds: Sequence[float] = (0.31, 1.0, 2.7),
) -> OnnxCheck:
    """Write a model with its features as an ONNX file, after checking it with onnxruntime at several lengths.

    The input is `audio`, float32 (samples,), full scale 32768, of the features' sample rate and any length. The outputs
    are `posteriors` (frames, classes), the blank last, and `num_frames` (1,); there are no frames if the audio is too
    short for one frame of features. The metadata are `phones` (JSON), `sample_rate_hz`, `frame_shift_ms` (of the
    posteriors) and `full_scale`.

    Args:
        model: trained model.
        extractor: extractor of the features that it was trained on.
        symbols: symbols of its classes, without the blank.
        path: file to write; on an error, none is written.
        check_seconds: lengths of the signals to compare.

    Raises:
        MissingPackageError: onnx or onnxruntime is not installed.
        DataError: file and model differ by more than rounding.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise missing_packages("export", ["export"], [error.name or "onnx"]) from None
    model = copy.deepcopy(model).eval().cpu()
    sample_rate = extractor.sample_rate_hz
    content = onnx.load_from_string(_traced(_AudioModel(model, extractor), int(0.5 * sample_rate)))
    for name, value in model_metadata(model, extractor, symbols).items():
        entry = content.metadata_props.add()
        entry.key, entry.value = name, f"{value:g}" if name == "frame_shift_ms" else json.dumps(value)
    onnx.checker.check_model(content)
    serialised = content.SerializeToString()
    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])
    check = _check(session, model, extractor, [int(seconds * sample_rate) for seconds in check_seconds], str(path))
    with atomic_file(path, "wb") as file:
        file.write(serialised)
    return check


def model_metadata(model: AcousticModel, extractor: FeatureExtractor, symbols: Sequence[str]) -> dict[str, Any]:
    """Metadata of an exported model: `phones`, `sample_rate_hz`, `frame_shift_ms` (of the posteriors), `full_scale`."""
    return {
        "phones": list(symbols),
        "sample_rate_hz": extractor.sample_rate_hz,
        "frame_shift_ms": model.config.window_stride * extractor.frame_shift_ms,
        "full_scale": _FULL_SCALE,
    }


class _AudioModel(torch.nn.Module):
    """Audio to posteriors, by operations that can be traced for any length."""

    def __init__(self, model: AcousticModel, extractor: FeatureExtractor) -> None:
        super().__init__()
        self._front_end: Any = front_end(extractor)
        self._model = model
        # While the model is traced, these replace its Mellin layers; the weights are the same.
        self._static = torch.nn.ModuleList(
            StaticMellin(layer, plan.in_sizes[0]) if isinstance(layer, MellinConv1d | MellinLinearConv2d) else layer
            for layer, plan in zip(model.convs, plan_layers(model.num_features, model.config), strict=True)
        )

    def forward(self, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        num_samples, least, stride = audio.shape[0], self._front_end.min_samples, self._model.config.window_stride
        # Audio too short for a frame is padded, as some operators crash on empty tensors; the output is cut to nothing.
        features = self._front_end(torch.cat([audio, torch.zeros((least - num_samples) * (num_samples < least))]))
        num_posteriors = num_windows(self._front_end.num_frames(num_samples), stride)
        features = self._model.normalize(features.unsqueeze(0)).squeeze(0)
        size = self._model.config.window_span
        places = torch.arange(num_windows(features.shape[0], stride)).unsqueeze(1) * stride + torch.arange(size)
        windows = torch.nn.functional.pad(features, (0, 0, 0, size))[places]
        hidden = self._model.convolve(windows, self._static)
        if self._model.rnn is not None:
            hidden = self._model.rnn(hidden.unsqueeze(1))[0].squeeze(1)
        posteriors = self._model.out(hidden).softmax(1)[:num_posteriors]
        return posteriors, torch._shape_as_tensor(posteriors)[:1]


def _traced(module: _AudioModel, num_samples: int) -> bytes:
    """Trace a module with a signal of a number of samples; content of its ONNX file.

    Torch's TorchScript exporter keeps recurrent layers as operators of any length; the `torch.export` one fixes their
    length (torch 2.13).
    """
    audio = torch.randn(num_samples, generator=torch.Generator().manual_seed(1)) * 1000
    buffer: Any = io.BytesIO()  # torch annotates only paths
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecation, constants, batches of several utterances
        torch.onnx.export(
            module.eval(),
            (audio,),
            buffer,
            dynamo=False,
            opset_version=_OPSET,
            input_names=["audio"],
            output_names=["posteriors", "num_frames"],
            dynamic_axes={"audio": {0: "samples"}, "posteriors": {0: "frames"}},
        )
    content: bytes = buffer.getvalue()
    return content


def _check(
    session: Any, model: AcousticModel, extractor: FeatureExtractor, lengths: Sequence[int], path: str
) -> OnnxCheck:
    stream = torch.Generator().manual_seed(2)
    largest, frames = 0.0, []
    for length in lengths:
        envelope = torch.linspace(0, 1, length)
        audio = (3000 * envelope * torch.randn(length, generator=stream)).round()
        with torch.inference_mode():
            features = extractor(audio)
            logits, _ = model(features[None], torch.tensor([len(features)]))
        expected = logits[0].softmax(1).numpy()
        found, num_frames = session.run(None, {"audio": audio.numpy()})
        if found.shape != expected.shape or num_frames.tolist() != [len(expected)]:
            raise DataError(
                f"{path}: for {length} samples, onnxruntime gives {found.shape[0]} frames, the model {len(expected)}; "
                "nothing was written"
            )
        largest = max(largest, float(np.abs(found - expected).max()))
        frames.append(len(expected))
        if not largest <= _TOLERANCE:
            raise DataError(
                f"{path}: for {length} samples, a posterior of onnxruntime differs from the model's by {largest:.2g}, "
                f"more than {_TOLERANCE:g}; nothing was written"
            )
    return OnnxCheck(list(lengths), frames, largest)
