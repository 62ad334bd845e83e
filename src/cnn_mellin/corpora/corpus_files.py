"""The files that a corpus is read from, and a digest of their state to detect changes."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from cnn_mellin.corpora.kaldi import kaldi_parts
from cnn_mellin.corpora.table import read_table
from cnn_mellin.errors import UserError
from cnn_mellin.formats.text_file import read_lines

__all__ = ["corpus_files", "corpus_state"]

_TIMIT_SUFFIXES = (".phn", ".wav", ".flac")
_KALDI_FILES = ("wav.scp", "segments", "text", "utt2spk")


def corpus_files(
    corpus: str | Path, kind: str, *, parts: Mapping[str, str] | None = None, audio_root: str | Path = "."
) -> Iterator[Path]:
    r"""Iterate over the label and audio files that a corpus is read from; some of them may not exist.

    Args:
        corpus: folder or table of the corpus.
        kind: timit, kaldi or table.
        parts: for kaldi, partition -> folder below the corpus, as for `kaldi_parts`.
        audio_root: for kaldi, folder that relative paths in `wav.scp` start from.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "wav.scp").write_text("a /audio/a.opus\n")
    ...     [str(path.name) for path in corpus_files(folder, "kaldi")]
    ['wav.scp', 'segments', 'text', 'utt2spk', 'a.opus']
    """
    corpus = Path(corpus)
    if kind == "table":
        yield corpus
        yield from _table_audio(corpus)
    elif kind == "kaldi":
        for folder in _kaldi_folders(corpus, parts):
            yield from (folder / name for name in _KALDI_FILES)
            yield from folder.glob("phones.ctm")
            yield from _kaldi_audio(folder / "wav.scp", Path(audio_root))
    else:
        yield from _timit_files(corpus)


def corpus_state(
    corpus: str | Path, kind: str, *, parts: Mapping[str, str] | None = None, audio_root: str | Path = "."
) -> str:
    """Digest of the names, sizes, times and inodes of the files of a corpus; the arguments are those of `corpus_files`.

    It changes when a file is written, replaced or deleted. A corpus that cannot be read also has a state.
    """
    digest = hashlib.sha256()
    for path in dict.fromkeys(corpus_files(corpus, kind, parts=parts, audio_root=audio_root)):
        try:
            about = path.stat()
            state = (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
        except (OSError, ValueError):  # ValueError: a name with a null character
            state = None
        digest.update(repr((str(path), state)).encode())
    return digest.hexdigest()[:16]


def _table_audio(table: Path) -> list[Path]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            partitions = read_table(table, faults=[])
    except UserError:  # reported when the corpus is prepared
        return []
    return [utterance.audio_path for utterances in partitions.values() for utterance in utterances]


def _kaldi_folders(corpus: Path, parts: Mapping[str, str] | None) -> list[Path]:
    try:
        return list(kaldi_parts(corpus, parts).values())
    except UserError:
        return []


def _kaldi_audio(wav_scp: Path, audio_root: Path) -> Iterator[Path]:
    try:
        lines = read_lines(wav_scp)
    except UserError:
        return
    for line in lines:
        fields = line.split(None, 1)
        if len(fields) == 2:
            yield audio_root / fields[1].strip()


def _timit_files(corpus: Path) -> Iterator[Path]:
    """Iterate over label and audio files below a folder; links to folders are followed, each folder once."""
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(corpus, followlinks=True):
        about = os.stat(folder)
        if (about.st_dev, about.st_ino) in seen:
            folders.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        folders.sort()
        yield from (Path(folder, file) for file in sorted(files) if file.lower().endswith(_TIMIT_SUFFIXES))
