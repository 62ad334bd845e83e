"""From a recording to phones with their times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cnn_mellin.decoding.recognition import DecoderSetting, recognise

if TYPE_CHECKING:
    from cnn_mellin.features import FeatureExtractor
    from cnn_mellin.language_models import NgramModel
    from cnn_mellin.models import AcousticModel

__all__ = ["Transcriber", "Transcription"]


@dataclass(frozen=True)
class Transcription:
    """What was recognised in a recording, and all that led to it.

    Args:
        phones: (symbol, start, end) in seconds, in order.
        n_best: (symbols, score in natural logarithms), best first; a greedy search has one, and scores it with 0.
        duration_s: of the recording.
        samples: (samples,), full scale 32768.
        features: (T, F).
        log_probs: (T', V), natural logarithms, the blank last.
        output_shift_s: from an output frame to the next.
    """

    phones: list[tuple[str, float, float]]
    n_best: list[tuple[list[str], float]]
    duration_s: float
    samples: torch.Tensor
    features: torch.Tensor
    log_probs: torch.Tensor
    output_shift_s: float


class Transcriber:
    """An acoustic model with its features and a decoder.

    Args:
        model: in evaluation mode.
        symbols: of its classes, the blank left out.
        extractor: of the features that it was trained on.
        setting: of the decoder.
        language_model: of the symbols; needed where the setting gives it a weight.
        num_best: sequences wanted, at most the beam's width.

    >>> from cnn_mellin.config.model import AcousticModelConfig
    >>> from cnn_mellin.features import FeatureExtractor
    >>> from cnn_mellin.models import AcousticModel
    >>> extractor = FeatureExtractor.named("fbank-81-10ms")
    >>> untrained = AcousticModel(81, 3, AcousticModelConfig(recurrent_layers=0)).eval()
    >>> transcription = Transcriber(untrained, ["aa", "sil"], extractor)(torch.randn(16000))
    >>> transcription.duration_s, transcription.features.shape
    (1.0, torch.Size([100, 81]))
    """

    def __init__(
        self,
        model: AcousticModel,
        symbols: Sequence[str],
        extractor: FeatureExtractor,
        setting: DecoderSetting | None = None,
        language_model: NgramModel | None = None,
        *,
        num_best: int = 1,
    ) -> None:
        self._model, self._symbols, self._extractor = model, list(symbols), extractor
        self._setting = DecoderSetting() if setting is None else setting
        self._language_model, self._num_best = language_model, num_best

    @property
    def sample_rate_hz(self) -> int:
        """That recordings must have."""
        return self._extractor.sample_rate_hz

    @torch.inference_mode()
    def __call__(self, samples: torch.Tensor) -> Transcription:
        """Transcribe a recording.

        Args:
            samples: (samples,), float32, full scale 32768, of the rate `sample_rate_hz`.

        Raises:
            ValueError: samples have another shape, are too few for a frame, or the model's output holds NaN.
        """
        features = self._extractor(samples)
        if not len(features):
            raise ValueError(f"samples are {len(samples)}, too few for a frame of features; record more")
        device = next(self._model.parameters()).device
        logits, lengths = self._model(features[None].to(device), torch.tensor([len(features)]))
        logits = logits[:, : int(lengths[0])]
        recognised = recognise([([""], logits, lengths)], self._setting, self._language_model, num_best=self._num_best)[
            ""
        ]
        duration_s = len(samples) / self._extractor.sample_rate_hz
        shift_s = self._model.config.window_stride * self._extractor.frame_shift_ms / 1000
        phones = [
            (self._symbols[c], min(first * shift_s, duration_s), min(end * shift_s, duration_s))
            for c, first, end in recognised.segments
        ]
        n_best = [([self._symbols[c] for c in classes], score) for classes, score in recognised.n_best]
        log_probs = logits[0].cpu().log_softmax(1)
        return Transcription(phones, n_best, duration_s, samples, features, log_probs, shift_s)
