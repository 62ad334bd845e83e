"""Reading data sets of Hugging Face's `datasets` from disk: saved by `save_to_disk`, or as Parquet files.

pyarrow reads them, in pieces; the package `datasets` is not needed, and nothing is downloaded. Audio that is stored in
the tables is written to files, which preparation reads like those of any corpus.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_directory
from cnn_mellin.corpora.collection import UtteranceCollection, require_audio, sample_rate_of, timed_phones
from cnn_mellin.corpora.fault import Fault, collected
from cnn_mellin.corpora.utterance import TimedPhone, Utterance
from cnn_mellin.errors import CorpusError, UserError
from cnn_mellin.extras import require_packages
from cnn_mellin.formats.text_file import read_json
from cnn_mellin.formats.transcript_symbols import parse_transcript, require_name

__all__ = ["Columns", "find_tables", "read_huggingface"]

_USUAL = {"train": ("train",), "dev": ("dev", "validation", "valid"), "test": ("test",)}
_SHARD = re.compile(r"(?P<split>.+?)(?:-\d{5}-of-\d{5}(?:-\w+)?)?\.parquet")
_ROWS_AT_ONCE = 16  # each with its audio
_MARKER = "extracted.json"
_SUFFIXES = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"NIST": ".sph", b"FORM": ".aiff", b"ID3": ".mp3"}


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a data set; None for the first of the usual names that it has.

    Args:
        audio: audio as `datasets` stores it (bytes and path), as bytes, or as the path of a file.
        transcript: symbols as a list, or as text that is split at white space. Usual: phones, transcript, text.
        speaker: speaker; without such a column, each utterance has its own. Usual: speaker, speaker_id.
        utterance: utterance id. Usual: utterance, id. Without such a column, the id is the name of the audio file
            without its suffix or, for audio without a name, the partition and the number of the row.
        start, end: lists of the first and last seconds of the symbols; None in a row without times. Usual:
            phone_starts, phone_ends.
    """

    audio: str | None = None
    transcript: str | None = None
    speaker: str | None = None
    utterance: str | None = None
    start: str | None = None
    end: str | None = None


_NAMES = {
    "audio": ("audio",),
    "transcript": ("phones", "transcript", "text"),
    "speaker": ("speaker", "speaker_id"),
    "utterance": ("utterance", "id"),
    "start": ("phone_starts",),
    "end": ("phone_ends",),
}


def read_huggingface(
    root: str | Path,
    audio_folder: str | Path,
    *,
    parts: Mapping[str, str] | None = None,
    columns: Columns | None = None,
    faults: list[Fault] | None = None,
) -> dict[str, list[Utterance]]:
    """Read all partitions of a data set.

    Args:
        root: folder or Parquet file, see `find_tables`.
        audio_folder: folder to write audio to that is stored in the tables, as `PARTITION/UTTERANCE.wav` and so on; an
            older result is replaced, or kept if the tables are unchanged. It is not made if the tables name files.
        parts: partition -> split of the data set.
        columns: names of the columns.
        faults: list to add audio files that do not exist, and symbols and times that are not valid, to, instead of an
            error. Their utterances are in the result, some without labels. If all are faulty, it is an error.

    Returns:
        Partition -> utterances sorted by id.

    Raises:
        CorpusError: a table cannot be read or lacks a column; a row has no audio or no symbol, or times that do not fit
            its symbols; an id is duplicate. The message names the file and the row, counted from 1.
        DataError: `audio_folder` exists and holds something else.
        MissingPackageError: pyarrow is not installed.
    """
    require_packages("prep huggingface", ["huggingface"])
    root, folder, columns = Path(root), Path(audio_folder), columns or Columns()
    tables = find_tables(root, parts)
    state = _state(tables, columns)
    if _stored_state(folder) == state:
        with contextlib.suppress(_ChangedAudioError):
            return _Reading(root, folder, None, columns).read(tables, faults)
    with contextlib.ExitStack() as stack:

        def start() -> Path:
            """Make the folder for the audio, once the first is found."""
            return stack.enter_context(atomic_directory(folder, what="folder of extracted audio", is_own=_is_own))

        reading = _Reading(root, folder, start, columns)
        partitions = reading.read(tables, faults)
        if reading.written_to is not None:
            (reading.written_to / _MARKER).write_text(json.dumps({"extracted from": state}) + "\n", encoding="utf-8")
    return partitions


def find_tables(root: str | Path, parts: Mapping[str, str] | None = None) -> dict[str, list[Path]]:
    """Find the files of each partition of a data set.

    Args:
        root: a Parquet file; a folder that `save_to_disk` wrote, of a Dataset (all of it is the partition train) or of
            a DatasetDict; or a folder with files SPLIT.parquet or SPLIT-00000-of-00001.parquet, in it or in its folder
            data, or with folders SPLIT of Parquet files.
        parts: partition -> split; by default train, dev (or validation or valid) and test, where they exist.

    Returns:
        Partition -> files in the order of their rows.

    Raises:
        CorpusError: there is no data set, or it lacks a split.
    """
    root = Path(root)
    splits = _splits(root)
    if parts:
        wanted = dict(parts)
    else:
        usual = {part: next((name for name in names if name in splits), None) for part, names in _USUAL.items()}
        wanted = {part: name for part, name in usual.items() if name is not None}
        if not wanted and len(splits) == 1:
            wanted = {"train": next(iter(splits))}
    missing = [name for name in wanted.values() if name not in splits]
    if missing or not wanted:
        why = f"has splits {', '.join(map(repr, splits))}" + (f", but no {missing[0]!r}" if missing else "")
        raise CorpusError(root, None, f"{why}; name the split of each partition, such as parts=dev=validation")
    return {part: splits[name] for part, name in wanted.items()}


def _splits(root: Path) -> dict[str, list[Path]]:
    """Split -> files."""
    if root.is_file() and root.suffix == ".parquet":
        return {"train": [root]}
    if not root.is_dir():
        why = "is not a folder or Parquet file" if root.exists() else "does not exist"
        raise CorpusError(root, None, f"{why}; name a folder of save_to_disk, or of Parquet files")
    if (root / "dataset_dict.json").exists():
        names = read_json(root / "dataset_dict.json", CorpusError).get("splits")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise CorpusError(root / "dataset_dict.json", None, "names no splits; save the data set again")
        return {name: _saved_files(root / name) for name in names}
    if (root / "state.json").exists():
        return {"train": _saved_files(root)}
    for folder in (root, root / "data"):
        found: dict[str, list[Path]] = {}
        for path in sorted(folder.glob("*.parquet")):
            match = _SHARD.fullmatch(path.name)
            if match is not None:
                found.setdefault(match["split"], []).append(path)
        if found:
            return found
    for folder in (root, root / "data"):
        found = {sub.name: sorted(sub.glob("*.parquet")) for sub in sorted(folder.glob("*")) if sub.is_dir()}
        found = {name: paths for name, paths in found.items() if paths}
        if found:
            return found
    raise CorpusError(root, None, "holds neither what save_to_disk writes nor Parquet files; name the folder that does")


def _saved_files(folder: Path) -> list[Path]:
    """Arrow files of a data set that was saved to a folder."""
    path = folder / "state.json"
    files = read_json(path, CorpusError, expected="the state of a saved data set").get("_data_files")
    names = [file.get("filename") for file in files or [] if isinstance(file, dict)]
    if not names or not all(isinstance(name, str) for name in names):
        raise CorpusError(path, None, "names no data files; save the data set again")
    missing = [name for name in names if not (folder / str(name)).is_file()]
    if missing:
        raise CorpusError(folder / str(missing[0]), None, f"does not exist, but {path.name} names it; copy it again")
    return [folder / str(name) for name in names]


class _ChangedAudioError(Exception):
    """An extracted file is not the one that was written."""


class _Reading:
    """One pass over all rows.

    Args:
        root: folder that relative paths start from.
        folder: folder of the extracted audio.
        start: function that makes the folder to write extracted audio to, which later appears as `folder`; None if
            `folder` holds the audio already.
        columns: names of the columns.
    """

    def __init__(self, root: Path, folder: Path, start: Any, columns: Columns) -> None:
        self.root, self.folder, self.columns = root if root.is_dir() else root.parent, folder, columns
        self._start = start
        self.written_to: Path | None = None
        self._collection = UtteranceCollection(root)

    def read(self, tables: Mapping[str, Sequence[Path]], faults: list[Fault] | None) -> dict[str, list[Utterance]]:
        faulty: list[Fault] | None = None if faults is None else []
        count = 0
        for part, paths in tables.items():
            require_name(part, self.root, None, "partition")
            number = 0
            for path in paths:
                for row, content in enumerate(_rows(path, self.columns), 1):
                    number += 1
                    self._collection.add(self._utterance(content, part, number, path, row, faulty), path, row)
            count += number
        if faulty and len(faulty) == count:
            raise faulty[0].error
        if faults is not None:
            faults += faulty or []
        return self._collection.partitions()

    def _utterance(
        self,
        content: Mapping[str, Any],
        part: str,
        number: int,
        path: Path,
        row: int,
        faulty: list[Fault] | None,
    ) -> Utterance:
        audio = content["audio"]
        stored, named = (audio.get("bytes"), audio.get("path")) if isinstance(audio, dict) else (None, None)
        if isinstance(audio, bytes):
            stored = audio
        elif isinstance(audio, str):
            named = audio
        if not stored and not named:
            raise CorpusError(path, row, "has no audio; add it, or leave out the row")
        name = _word(content.get("utterance")) or (Path(named).stem if named else f"{part}-{number:06d}")
        require_name(name, path, row)
        if stored:
            source, place = self._extracted(bytes(stored), part, name, named)
        else:
            source = place = self.root / str(named)
        symbols: tuple[str, ...] = ()
        phones: tuple[TimedPhone, ...] = ()
        with collected(faulty, name):
            require_audio(source, path, row, self.root)
            symbols = _symbols(content["transcript"], path, row)
            if content.get("start") is not None or content.get("end") is not None:
                times = _times(content["start"], content["end"], len(symbols), path, row)
                segments = [(start_s, end_s, symbol) for (start_s, end_s), symbol in zip(times, symbols, strict=True)]
                phones = timed_phones(segments, sample_rate_of(source))
        speaker = _word(content.get("speaker")) or name
        return Utterance(name, speaker, place, phones, part=part, transcript=() if phones else symbols)

    def _extracted(self, stored: bytes, part: str, name: str, named: str | None) -> tuple[Path, Path]:
        """File that holds the audio of a row now, and later."""
        suffix = Path(named or "").suffix or next(
            (suffix for magic, suffix in _SUFFIXES.items() if stored.startswith(magic)), ".audio"
        )
        place = self.folder / part / f"{name}{suffix}"
        if self._start is None:
            if not place.is_file() or place.stat().st_size != len(stored):
                raise _ChangedAudioError
            return place, place
        if self.written_to is None:
            self.written_to = self._start()
        now = self.written_to / part / place.name
        now.parent.mkdir(exist_ok=True)
        now.write_bytes(stored)
        return now, place


def _rows(path: Path, columns: Columns) -> Iterator[dict[str, Any]]:
    """Iterate over the rows of a table: the members of `Columns` that it has, and their values."""
    import pyarrow  # of the extra huggingface
    from pyarrow import ipc, parquet

    try:
        if path.suffix == ".parquet":
            with parquet.ParquetFile(path) as file:
                chosen = _chosen(file.schema_arrow.names, columns, path)
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(chosen.values())):
                    yield from _of_batch(batch, chosen)
            return
        with pyarrow.memory_map(str(path)) as source, ipc.open_stream(source) as stream:
            chosen = _chosen(stream.schema.names, columns, path)
            for batch in stream:
                for first in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield from _of_batch(batch.slice(first, _ROWS_AT_ONCE), chosen)
    except (pyarrow.ArrowException, OSError) as error:
        kind = "Parquet file" if path.suffix == ".parquet" else "Arrow stream"
        why = " ".join(str(error).split())[:120]
        raise CorpusError(path, None, f"is not a whole {kind} ({why}); copy or save it again") from None


def _chosen(names: Sequence[str], columns: Columns, path: Path) -> dict[str, str]:
    """Member of `Columns` -> column."""
    chosen = {}
    for member, usual in _NAMES.items():
        given = getattr(columns, member)
        name = given or next((name for name in usual if name in names), None)
        if (given and given not in names) or (name is None and member in ("audio", "transcript")):
            wanted = repr(given) if given else f"for the {member} ({' or '.join(usual)})"
            raise CorpusError(path, None, f"has no column {wanted}; its columns are {', '.join(names)}")
        if name is not None:
            chosen[member] = name
    if ("start" in chosen) != ("end" in chosen):
        raise CorpusError(path, None, "has a column of starts or of ends, but not both; name both columns")
    return chosen


def _of_batch(batch: Any, chosen: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    lists = {member: batch.column(batch.schema.get_field_index(name)) for member, name in chosen.items()}
    for i in range(batch.num_rows):
        yield {member: values[i].as_py() for member, values in lists.items()}


def _word(value: object) -> str:
    """Text of an id: an integer or a text; empty for None."""
    return "" if value is None else str(value).strip()


def _symbols(value: object, path: Path, row: int) -> tuple[str, ...]:
    if isinstance(value, list):
        symbols = [symbol for item in value for symbol in parse_transcript(_word(item), path, row)]
        if len(symbols) != len(value):
            raise CorpusError(path, row, "has a symbol with white space in its transcript; split it")
        value = " ".join(symbols)
    if value is not None and not isinstance(value, str):
        why = f"has a transcript of type {type(value).__name__}; it must be a text, or a list of symbols"
        raise CorpusError(path, row, why)
    return parse_transcript(value or "", path, row)


def _times(starts: object, ends: object, num_symbols: int, path: Path, row: int) -> list[tuple[float, float]]:
    for values in (starts, ends):
        numbers = isinstance(values, list) and all(isinstance(value, int | float) for value in values)
        if not numbers or len(values) != num_symbols:  # type: ignore[arg-type]
            found = f"{len(values)} times" if isinstance(values, list) else "no list of times"
            raise CorpusError(path, row, f"has {found} for {num_symbols} symbols; each needs a start and an end")
    spans = list(zip(starts, ends, strict=True))  # type: ignore[call-overload]
    for i, (start_s, end_s) in enumerate(spans):
        if not 0 <= start_s <= end_s < float("inf") or (i and start_s < spans[i - 1][0]):
            why = f"symbol {i + 1} lasts from {start_s} to {end_s} s; times must be 0 <= start <= end, in order"
            raise CorpusError(path, row, f"{why}; mend the times")
    return spans


def _state(tables: Mapping[str, Sequence[Path]], columns: Columns) -> str:
    """Digest of the names, sizes and times of the tables, and of the columns."""
    digest = hashlib.sha256(repr(columns).encode())
    for part, paths in tables.items():
        for path in paths:
            about = path.stat()
            digest.update(repr((part, str(path.absolute()), about.st_size, about.st_mtime_ns, about.st_ino)).encode())
    return digest.hexdigest()


def _stored_state(folder: Path) -> str | None:
    try:
        return str(read_json(folder / _MARKER)["extracted from"])
    except (UserError, KeyError):
        return None


def _is_own(folder: Path) -> bool:
    return _stored_state(folder) is not None
