"""The command to try after a recipe: it transcribes a recording of its corpus with one of its models."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path

from cnn_mellin.corpora.corpus_files import corpus_files
from cnn_mellin.corpora.kaldi import read_kaldi_parts
from cnn_mellin.corpora.table import read_table
from cnn_mellin.errors import UserError
from cnn_mellin.recipe.options import read_options

__all__ = ["transcribe_command"]

_AUDIO_SUFFIXES = (".wav", ".flac")


def transcribe_command(folder: str | Path) -> str | None:
    """Command line that transcribes a recording of the test partition with the last model of a recipe.

    Args:
        folder: the recipe's folder.

    Returns:
        The command, whose paths are relative where they lie below the working directory; None if the recipe has no
        trained model yet, or no recording of its corpus is found.

    Raises:
        DataError: the folder holds no recipe, or its options are damaged.
    """
    options = read_options(folder)
    model = Path(folder) / "models" / f"{options.models[-1]}-{options.feature_names[0]}" / "seed1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the preparation has shown them
            recording = next((path for path in _test_recordings(Path(options.corpus), options.corpus_kind)), None)
    except UserError:  # a corpus that only the options of its preparation make readable
        return None
    if recording is None or not (model / "model.json").is_file():
        return None
    return f"cnn-mellin transcribe {_shown(model)} {_shown(recording)}"


def _test_recordings(corpus: Path, kind: str) -> Iterator[Path]:
    """Iterate over the audio files of the test partition that exist."""
    if kind == "timit":
        for path in corpus_files(corpus, kind):
            folders = [part.lower() for part in path.relative_to(corpus).parts[:-1]]
            if "test" in folders and path.suffix.lower() in _AUDIO_SUFFIXES and path.is_file():
                yield path
        return
    partitions = read_table(corpus, faults=[]) if kind == "table" else read_kaldi_parts(corpus, faults=[])
    yield from (utterance.audio_path for utterance in partitions.get("test", ()) if utterance.audio_path.is_file())


def _shown(path: Path) -> str:
    """Path as a word of a command line; relative to the working directory where it lies below."""
    absolute = Path(os.path.abspath(path))
    below = absolute.is_relative_to(Path.cwd())
    return shlex.quote(str(absolute.relative_to(Path.cwd()) if below else absolute))
