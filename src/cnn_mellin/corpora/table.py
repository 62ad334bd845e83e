"""Reading a corpus from one table: a header line, then one line per utterance, with fields separated by tabs."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnn_mellin.corpora.fault import Fault, collected
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.transcript_symbols import parse_transcript, read_lines, require_name

__all__ = ["read_table"]

_NEEDED = ("audio", "transcript")
_OPTIONAL = ("utterance", "speaker", "partition")
_QUOTED_FIELD = re.compile(r' *"(?:[^"]|"")*" *')
_QUOTED_ROW = re.compile(rf'(?:{_QUOTED_FIELD.pattern}|[^\t"]*)(?:\t(?:{_QUOTED_FIELD.pattern}|[^\t"]*))*')


def read_table(path: str | Path, *, faults: list[Fault] | None = None) -> dict[str, list[Utterance]]:
    r"""Read a table of utterances.

    Args:
        path: UTF-8 file. The columns `audio` (path of a file, relative to the folder of the table) and `transcript`
            (symbols separated by white space) are required. Optional columns and their defaults: `partition` (train),
            `utterance` (the id; by default the name of the audio file without its suffix) and `speaker` (the id of the
            utterance). Other columns are not read, with a warning. Fields may be quoted as by spreadsheets.
        faults: list to add audio files that do not exist and transcripts that are not valid to, instead of an error.
            Their utterances are in the result, some without a transcript. If none of the audio files exists, it is an
            error.

    Returns:
        Partition -> utterances sorted by id; `train` first.

    Raises:
        CorpusError: a column is missing, a line has more or fewer fields than the header, quotation marks are
            ambiguous, an audio file does not exist, or an utterance id is duplicate.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.wav").write_bytes(b"")
    ...     _ = (Path(folder) / "corpus.tsv").write_text("audio\ttranscript\na.wav\tx y\n")
    ...     [(u.utterance_id, u.transcript) for u in read_table(folder + "/corpus.tsv")["train"]]
    [('a', ('x', 'y'))]
    """
    path = Path(path)
    header, *rows = _fields(path, read_lines(path, "audio<TAB>transcript"))
    columns = _columns(path, header)
    partitions: dict[str, dict[str, Utterance]] = {}
    lines: dict[str, int] = {}
    missing: list[Fault] = []
    for line, fields in enumerate(rows, 2):
        if not any(fields):
            continue
        if len(fields) != len(columns):
            raise CorpusError(
                path, line, f"has {len(fields)} fields, but the header has {len(columns)}; separate fields by tabs"
            )
        utterance = _utterance(path, line, dict(zip(columns, fields, strict=True)), faults, missing)
        name = utterance.utterance_id
        first = lines.setdefault(name, line)
        if first != line:
            why = f"duplicate utterance id {name}, as in line {first}"
            raise CorpusError(path, line, f"{why}; give each utterance its own id in a column `utterance`")
        partitions.setdefault(utterance.part, {})[name] = utterance
    if missing and len(missing) == len(lines):
        raise missing[0].error
    if faults is not None:
        faults += missing
    if "train" not in partitions:
        raise CorpusError(
            path, None, f"has no utterance of partition train; it has {sorted(partitions) or 'none at all'}"
        )
    return {part: [partitions[part][name] for name in sorted(partitions[part])] for part in _ordered(partitions)}


def _fields(path: Path, rows: Sequence[str]) -> list[list[str]]:
    """Split rows into fields without surrounding blanks, and without the quotation marks of spreadsheets.

    Spreadsheets and pandas quote each field that has a quotation mark, and double the marks inside. A file with any
    other use of quotation marks has them as symbols (X-SAMPA).
    """
    quoted = [(line, row) for line, row in enumerate(rows, 1) if _looks_quoted(row)]
    plain = [(line, row) for line, row in enumerate(rows, 1) if '"' in row and not _QUOTED_ROW.fullmatch(row)]
    if not quoted:
        return [[field.strip() for field in row.split("\t")] for row in rows]
    line, row = quoted[0]
    if plain:
        whole = [field for field in row.split("\t") if _QUOTED_FIELD.fullmatch(field)]
        shown = (whole or _QUOTED_FIELD.findall(row))[0].strip()[:60]
        why = f"field {shown} is in quotation marks, but in line {plain[0][0]} a mark is a symbol; quote"
        raise CorpusError(
            path, line, f'{why} all fields as a spreadsheet does, each mark doubled ("""s i" for "s i), or none'
        )
    try:
        unquoted = [_unquoted(row) for row in rows]
    except csv.Error as error:
        raise CorpusError(
            path, None, f"cannot be read as quoted fields ({error}); write it without quotation marks"
        ) from None
    before = _QUOTED_FIELD.findall(row)[0].strip()
    warnings.warn(
        f"{path}: fields of {len(quoted)} lines are in quotation marks, as spreadsheets write them, and are read "
        f"without them: in line {line} {before[:60]} is {_unquoted(before)[0][:60]}",
        stacklevel=3,
    )
    return unquoted


def _looks_quoted(row: str) -> bool:
    if '"' not in row:
        return False
    return bool(_QUOTED_ROW.fullmatch(row)) or any(map(_QUOTED_FIELD.fullmatch, row.split("\t")))


def _unquoted(row: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([row], delimiter="\t", skipinitialspace=True), [])]


def _columns(path: Path, header: Sequence[str]) -> list[str]:
    columns = [column.lower() for column in header]
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        rule = f"the first line must name {' and '.join(_NEEDED)}, and may name {', '.join(_OPTIONAL)}"
        raise CorpusError(path, 1, f"has columns {columns}, but no {' nor '.join(missing)}; {rule}, separated by tabs")
    if len(set(columns)) != len(columns):
        raise CorpusError(path, 1, f"has duplicate columns, {columns}; name each only once")
    unread = [column for column in columns if column not in (*_NEEDED, *_OPTIONAL)]
    if unread:
        warnings.warn(f"{path}: columns not read: {', '.join(unread)}", stacklevel=3)
    return columns


def _utterance(
    path: Path, line: int, row: Mapping[str, str], faults: list[Fault] | None, missing: list[Fault]
) -> Utterance:
    if not row["audio"]:
        raise CorpusError(path, line, "has no audio file; name one")
    audio_path = path.parent / row["audio"]
    name = require_name(row.get("utterance") or audio_path.stem, path, line)
    if not audio_path.is_file():
        why = f"{audio_path} does not exist; paths are relative to the folder of the table"
        missing.append(Fault(name, CorpusError(path, line, why)))
        if faults is None:
            raise missing[0].error
    speaker = require_name(row.get("speaker") or name, path, line, "speaker")
    partition = require_name(row.get("partition") or "train", path, line, "partition")
    if partition == "ext":
        raise CorpusError(path, line, "partition 'ext' is reserved for the folder of symbols and speakers; rename it")
    transcript: tuple[str, ...] = ()
    with collected(faults, name):
        transcript = parse_transcript(row["transcript"], path, line)
    return Utterance(name, speaker, audio_path, (), part=partition, transcript=transcript)


def _ordered(partitions: Mapping[str, object]) -> list[str]:
    usual = ("train", "dev", "test")
    return [*(name for name in usual if name in partitions), *sorted(set(partitions) - set(usual))]
