"""Utterances of a corpus as they are read: partitions, with unique ids, and phones with times in samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cnn_mellin.audio.audio_file import open_audio
from cnn_mellin.corpora.utterance import TimedPhone, Utterance
from cnn_mellin.errors import AudioError, CorpusError
from cnn_mellin.formats.transcript_symbols import require_name

__all__ = ["UtteranceCollection", "partition_folders", "require_audio", "sample_rate_of", "timed_phones"]

_USUAL = ("train", "dev", "test")
_ANY_RATE_HZ = 16000


class UtteranceCollection:
    """Utterances sorted into partitions; an utterance id must be unique in the corpus.

    Args:
        corpus: file or folder of the corpus, for messages.

    >>> collection = UtteranceCollection("corpus")
    >>> collection.add(Utterance("a", "mary", Path("a.wav"), (), part="train", transcript=("x",)), Path("list"), 1)
    >>> list(collection.partitions())
    ['train']
    """

    def __init__(self, corpus: str | Path) -> None:
        self.corpus = Path(corpus)
        self._partitions: dict[str, dict[str, Utterance]] = {}
        self._places: dict[str, tuple[Path, int | None]] = {}

    def add(self, utterance: Utterance, path: Path, line: int | None) -> None:
        """Add an utterance to the partition that its `part` names.

        Args:
            utterance: utterance to add.
            path, line: file and line that it was read from, for messages.

        Raises:
            CorpusError: the id or the name of the speaker or partition breaks the rule for identifiers, the id is
                duplicate, or the partition is named ext.
        """
        name = require_name(utterance.utterance_id, path, line)
        require_name(utterance.speaker, path, line, "speaker")
        require_name(utterance.part, path, line, "partition")
        if utterance.part == "ext":
            raise CorpusError(
                path, line, "partition 'ext' is reserved for the folder of symbols and speakers; rename it"
            )
        if name in self._places:
            other, other_line = self._places[name]
            where = f"{other}" if other_line is None else f"{other}:{other_line}"
            raise CorpusError(path, line, f"duplicate utterance id {name}, as in {where}; give each its own id")
        self._places[name] = path, line
        self._partitions.setdefault(utterance.part, {})[name] = utterance

    def partitions(self) -> dict[str, list[Utterance]]:
        """Partition -> utterances sorted by id; the usual names come first.

        Raises:
            CorpusError: there is no partition `train`.
        """
        found = self._partitions
        if "train" not in found:
            known = ", ".join(found) or "none at all"
            raise CorpusError(self.corpus, None, f"has no utterance of partition train; it has {known}")
        ordered = [*(name for name in _USUAL if name in found), *sorted(set(found) - set(_USUAL))]
        return {part: [found[part][name] for name in sorted(found[part])] for part in ordered}


def timed_phones(
    segments: Iterable[tuple[float, float, str]], sample_rate_hz: int, start_s: float = 0.0
) -> tuple[TimedPhone, ...]:
    """Phones with times in samples since the start of their utterance.

    Args:
        segments: (start, end, symbol), in seconds since the start of the recording.
        sample_rate_hz: sample rate of the recording.
        start_s: start of the utterance in its recording, in seconds.

    >>> timed_phones([(1.0, 1.5, "a")], 8000, start_s=0.5)
    (TimedPhone(symbol='a', first_sample=4000, end_sample=8000),)
    """
    start = round(start_s * sample_rate_hz)
    return tuple(
        TimedPhone(
            symbol, max(round(first_s * sample_rate_hz) - start, 0), max(round(end_s * sample_rate_hz) - start, 0)
        )
        for first_s, end_s, symbol in segments
    )


def sample_rate_of(path: Path) -> int:
    """Sample rate in Hz that the header of an audio file states.

    The rate of a file that cannot be read does not matter, as it is reported when its samples are read.
    """
    try:
        with open_audio(path) as audio:
            return int(audio.sound.samplerate)
    except AudioError:
        return _ANY_RATE_HZ


def require_audio(path: Path, source: Path, line: int | None, root: Path) -> Path:
    """Return the path of an audio file that exists.

    Raises:
        CorpusError: it does not exist, or is not a file.
    """
    if not path.is_file():
        why = "is not a file (but a folder, pipe or device); name one" if path.exists() else "does not exist"
        raise CorpusError(source, line, f"{path} {why}; relative paths start in {root}")
    return path


def partition_folders(
    root: Path, folders: Mapping[str, str] | None, usual: Sequence[tuple[str, Sequence[str]]]
) -> dict[str, Path]:
    """Find the folder of each partition of a corpus.

    Args:
        root: folder of the corpus.
        folders: partition -> name of its sub-folder; None for those of `usual` that exist.
        usual: partition and the names that its folder may have.

    Returns:
        Partition -> folder; the root itself as `train` if no folder has a usual name.

    Raises:
        CorpusError: the root or a named folder does not exist.
    """
    if not root.is_dir():
        raise CorpusError(root, None, f"{'is not a folder' if root.exists() else 'does not exist'}; name a folder")
    if not folders:
        found = {part: root / name for part, names in usual for name in names if (root / name).is_dir()}
        return found if "train" in found else {"train": root}
    for name in folders.values():
        if not (root / name).is_dir():
            raise CorpusError(root / name, None, "does not exist; name a folder of the corpus")
    return {partition: root / name for partition, name in folders.items()}
