"""Transcription of recordings: phones with their times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from cnn_mellin.config.decoder_setting import DecoderSetting
from cnn_mellin.decoding.recognition import recognise

if TYPE_CHECKING:
    from cnn_mellin.features import FeatureExtractor
    from cnn_mellin.language_models import NgramModel
    from cnn_mellin.models import AcousticModel

__all__ = ["Transcriber", "Transcription"]


@dataclass(frozen=True)
class Transcription:
    """Result of transcribing a recording, with its intermediate results.

    Args:
        phones: (symbol, start, end) of each phone in order, in seconds.
        n_best: list of (symbols, score as a natural logarithm), best first; a greedy search gives one with score 0.
        duration_s: duration of the recording.
        samples: (samples,), full scale 32768.
        features: (T, F), features of the recording.
        log_probs: (T', V), natural logarithms of the model's posteriors, without a bias; the blank is the last class.
        output_shift_s: time between consecutive output frames.
    """

    phones: list[tuple[str, float, float]]
    n_best: list[tuple[list[str], float]]
    duration_s: float
    samples: torch.Tensor
    features: torch.Tensor
    log_probs: torch.Tensor
    output_shift_s: float

    def as_dict(self) -> dict[str, Any]:
        """Content for JSON: `duration_s`, `phones` and `n_best`.

        `phones` has `phone`, `start_s` and `end_s` of each phone; `n_best` has `score` and `phones` of each sequence.
        """
        return {
            "duration_s": self.duration_s,
            "phones": [
                {"phone": symbol, "start_s": round(start, 4), "end_s": round(end, 4)}
                for symbol, start, end in self.phones
            ],
            "n_best": [{"score": score, "phones": symbols} for symbols, score in self.n_best],
        }


class Transcriber:
    """Acoustic model with its feature extractor and decoder.

    Args:
        model: acoustic model in evaluation mode.
        symbols: symbols of its classes, without the blank.
        extractor: extractor of the features that the model was trained on.
        setting: decoding options; by default a greedy search.
        language_model: language model of the symbols; required if its weight is not 0.
        num_best: maximum number of sequences, at most the beam width.

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
        """Sample rate that recordings must have."""
        return self._extractor.sample_rate_hz

    @torch.inference_mode()
    def __call__(self, samples: torch.Tensor) -> Transcription:
        """Transcribe a recording.

        Args:
            samples: (samples,), float32, full scale 32768, with sample rate `sample_rate_hz`.

        Raises:
            ValueError: `samples` has a wrong shape or is too short for a frame, or the model's output holds NaN.
        """
        features = self._extractor(samples)
        if not len(features):
            raise ValueError(
                f"samples has length {len(samples)}, too short for a frame of features; use a longer recording"
            )
        device = next(self._model.parameters()).device
        logits, lengths = self._model(features[None].to(device), torch.tensor([len(features)]))
        logits = logits[:, : int(lengths[0])]
        batches = [([""], logits, lengths)]
        (recognised,) = recognise(batches, self._setting, self._language_model, num_best=self._num_best).values()
        duration_s = len(samples) / self._extractor.sample_rate_hz
        shift_s = self._model.config.window_stride * self._extractor.frame_shift_ms / 1000
        phones = [
            (self._symbols[c], min(first * shift_s, duration_s), min(end * shift_s, duration_s))
            for c, first, end in recognised.segments
        ]
        n_best = [([self._symbols[c] for c in classes], score) for classes, score in recognised.n_best]
        log_probs = logits[0].cpu().log_softmax(1)
        return Transcription(phones, n_best, duration_s, samples, features, log_probs, shift_s)
