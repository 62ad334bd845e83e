"""Audio of a recipe's test utterances, for pages that play it."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable

import numpy as np
import soundfile
from numpy.typing import NDArray

from cnn_mellin.audio.recording import Conversion, read_mono
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.kaldi import read_kaldi_parts
from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import UserError
from cnn_mellin.recipe.plan import kaldi_places
from cnn_mellin.report.recipe_results import RecipeResults

__all__ = ["SAMPLE_RATE_HZ", "flac_bytes", "utterance_samples"]

SAMPLE_RATE_HZ = 16000
"""Sample rate of the audio."""

_FULL_SCALE = 32768
_LOGGER = logging.getLogger(__name__)


def utterance_samples(results: RecipeResults, utterance_id: str) -> NDArray[np.float32] | None:
    """Samples (S,) of an utterance at 16 kHz, full scale 32768; None where the corpus does not hold it any more.

    Args:
        results: results of the recipe, whose options name the corpus.
        utterance_id: id of the utterance.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # prep has shown them
            found = next((u for u in _utterances(results) if u.utterance_id == utterance_id), None)
            if found is None:
                return None
            recording = read_mono(
                found.audio_path,
                sample_rate_hz=SAMPLE_RATE_HZ,
                start_s=found.start_s,
                end_s=found.end_s,
                conversion=Conversion(resample=True, mix_down=True),
            )
    except (UserError, OSError) as error:
        _LOGGER.info("the page has no audio: %s", error)
        return None
    return recording.resampled(SAMPLE_RATE_HZ)


def flac_bytes(samples: NDArray[np.float32]) -> bytes:
    """FLAC file of 16 bits.

    Args:
        samples: (S,) samples at 16 kHz, full scale 32768.
    """
    out = io.BytesIO()
    clipped = np.clip(np.rint(samples), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    soundfile.write(out, clipped, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def _utterances(results: RecipeResults) -> Iterable[Utterance]:
    """Utterances of the recipe's corpus; relative paths start at the recipe's folder."""
    options, faults = results.options, list[Fault]()
    corpus = results.folder.resolve() / options.corpus
    if options.corpus_kind == "timit":
        return read_timit(corpus, resample=True, faults=faults)
    if options.corpus_kind == "table":
        return read_table(corpus, faults=faults).get("test", ())
    parts, audio_root = kaldi_places(options, results.folder)
    return read_kaldi_parts(corpus, parts, audio_root=audio_root, faults=faults).get("test", ())
