"""A trained model as one ONNX file: audio in, phone posteriors out."""

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

__all__ = ["OnnxCheck", "export_onnx"]

_OPSET = 17
# What a posterior may differ by: float32 sums in another order, through logarithms and recurrent layers.
_TOLERANCE = 1e-3
_FULL_SCALE = 32768


@dataclass(frozen=True)
class OnnxCheck:
    """How an exported file agreed with the model.

    Args:
        num_samples: lengths that were tried, none of them the one exported with.
        num_frames: posteriors of each.
        largest_difference: between two posteriors.
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
    """Write a model with its features as an ONNX file, after onnxruntime has agreed with it on several lengths.

    The file takes `audio`, float32 (samples,), full scale 32768, of the features' sample rate and any length, and gives
    `posteriors` (frames, classes), the blank last, and `num_frames` (1,): none of audio too short for a frame of
    features, or of none. Its metadata hold `phones` (JSON),
    `sample_rate_hz`, `frame_shift_ms` (of the posteriors) and `full_scale`.

    Args:
        model: trained.
        extractor: of the features that it was trained on.
        symbols: of its classes, the blank left out.
        path: file to write, whole or not at all.
        check_seconds: lengths to compare at.

    Raises:
        MissingPackageError: onnx or onnxruntime is not installed.
        DataError: the exported file and the model disagree.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise missing_packages("export", ["export"], [error.name or "onnx"]) from None
    model = copy.deepcopy(model).eval().cpu()
    rate = extractor.sample_rate_hz
    content = onnx.load_from_string(_traced(_AudioModel(model, extractor), int(0.5 * rate)))
    stride = model.config.window_stride
    metadata = {
        "phones": json.dumps(list(symbols)),
        "sample_rate_hz": str(rate),
        "frame_shift_ms": f"{stride * extractor.frame_shift_ms:g}",
        "full_scale": str(_FULL_SCALE),
    }
    for name, value in metadata.items():
        entry = content.metadata_props.add()
        entry.key, entry.value = name, value
    onnx.checker.check_model(content)
    serialised = content.SerializeToString()
    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])
    check = _check(session, model, extractor, [int(seconds * rate) for seconds in check_seconds], str(path))
    with atomic_file(path, "wb") as file:
        file.write(serialised)
    return check


class _AudioModel(torch.nn.Module):
    """From samples to posteriors, of operations that can be traced for any length."""

    def __init__(self, model: AcousticModel, extractor: FeatureExtractor) -> None:
        super().__init__()
        self._front_end: Any = front_end(extractor)
        self._model = model
        # The weights are those of the model; its Mellin layers take their place while it is traced.
        self._static = torch.nn.ModuleList(
            StaticMellin(layer, plan.in_sizes[0]) if isinstance(layer, MellinConv1d | MellinLinearConv2d) else layer
            for layer, plan in zip(model.convs, plan_layers(model.num_features, model.config), strict=True)
        )

    def forward(self, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        num_samples, least, stride = audio.shape[0], self._front_end.min_samples, self._model.config.window_stride
        # Samples too few for a frame: no operator is left with nothing, which some crash of, and nothing is given out.
        features = self._front_end(torch.cat([audio, torch.zeros((least - num_samples) * (num_samples < least))]))
        num_posteriors = (self._front_end.num_frames(num_samples) + stride - 1) // stride
        if self._model.feature_scale is not None:
            features = features / self._model.feature_scale
        size = self._model.config.window_size
        num_windows = (features.shape[0] - 1) // stride + 1
        places = torch.arange(num_windows).unsqueeze(1) * stride + torch.arange(size)
        windows = torch.nn.functional.pad(features, (0, 0, 0, size))[places]
        hidden = self._model.convolve(windows, self._static)
        if self._model.rnn is not None:
            hidden = self._model.rnn(hidden.unsqueeze(1))[0].squeeze(1)
        posteriors = self._model.out(hidden).softmax(1)[:num_posteriors]
        return posteriors, torch._shape_as_tensor(posteriors)[:1]


def _traced(module: _AudioModel, num_samples: int) -> bytes:
    """The ONNX file of a module, traced with a signal of so many samples.

    torch's exporter for TorchScript keeps recurrent layers as operators of any length; the one of `torch.export` fixes
    the length (torch 2.13).
    """
    audio = torch.randn(num_samples, generator=torch.Generator().manual_seed(1)) * 1000
    buffer: Any = io.BytesIO()  # torch's own annotation has paths alone
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of its deprecation, of constants, of batches of more than one utterance
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
                f"{path}: onnxruntime gives {found.shape[0]} frames of {length} samples, the model {len(expected)}; "
                "nothing was written"
            )
        largest = max(largest, float(np.abs(found - expected).max()))
        frames.append(len(expected))
        if not largest <= _TOLERANCE:
            raise DataError(
                f"{path}: with {length} samples a posterior of onnxruntime differs from the model's by {largest:.2g}, "
                f"more than {_TOLERANCE:g}; nothing was written"
            )
    return OnnxCheck(list(lengths), frames, largest)
