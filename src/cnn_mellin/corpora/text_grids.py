"""Reading a corpus of Praat TextGrids, each beside its recording."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cnn_mellin.corpora.collection import UtteranceCollection, partition_folders, sample_rate_of, timed_phones
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.text_grid import Interval, TextGrid, read_text_grid
from cnn_mellin.formats.transcript_symbols import parse_transcript, read_lines
from cnn_mellin.utterance_names import name_utterances

__all__ = ["read_text_grids"]

_AUDIO_SUFFIXES = (".wav", ".flac", ".sph", ".nist", ".aiff", ".aif", ".aifc", ".ogg", ".opus", ".mp3", ".au")
_USUAL = [(name, (name,)) for name in ("train", "dev", "test")]
_CROSSING_S = 1e-3  # a phone may reach this far over a boundary of its utterance


@dataclass(frozen=True)
class _Row:
    """Row of the table of speakers: its line, and what it says of a recording."""

    line: int
    speaker: str
    partition: str


def read_text_grids(
    root: str | Path,
    *,
    tiers: Sequence[str] = ("phones",),
    silences: Collection[str] = (),
    untimed: bool = False,
    utterance_tier: str | None = None,
    folders: Mapping[str, str] | None = None,
    table: str | Path | None = None,
    names_from_paths: bool = False,
) -> dict[str, list[Utterance]]:
    """Read all TextGrids below a folder, each with the recording of the same name beside it.

    Args:
        root: folder of the corpus; its folders train, dev and test are the partitions, or else all is train.
        tiers: names of the tier of intervals that holds the symbols; the first that a TextGrid has counts.
        silences: labels that are left out, as are empty intervals.
        untimed: intervals hold any number of symbols, and only the symbols are kept; False: each interval holds one
            symbol, whose times are kept.
        utterance_tier: tier whose labelled intervals are utterances of their own, named RECORDING-1, RECORDING-2 and so
            on; None makes each recording an utterance.
        folders: partition -> folder below the root.
        table: file with tab-separated columns `utterance` (name of the recording), and `speaker` or `partition` or
            both, for corpora whose folders do not say them. By default the speaker is the folder that holds the
            TextGrid or, where that is the folder of the partition, the utterance itself.
        names_from_paths: name recordings by their path below the folder of the partition, `mary/001` as mary-001,
            instead of only by their file names.

    Returns:
        Partition -> utterances sorted by id. Phones have times, in samples of the recording, unless `untimed` is true.

    Raises:
        CorpusError: a file cannot be read, has no such tier or no symbol, a recording is missing, an id is duplicate,
            or the table and the folder disagree.

    Warns:
        UserWarning: recordings without a TextGrid are left out.
    """
    root = Path(root)
    collection = UtteranceCollection(root)
    rows = _read_table(Path(table)) if table is not None else {}
    used: set[str] = set()
    for partition, folder in partition_folders(root, folders, _USUAL).items():
        for path, audio in _pairs(folder):
            stem = path.relative_to(folder).with_suffix("")
            recording = "-".join(stem.parts) if names_from_paths else stem.name
            row = rows.get(recording)
            if table is not None and row is None:
                raise CorpusError(Path(table), None, f"has no line for {recording} ({path}); add one")
            used.add(recording)
            speaker = (row and row.speaker) or (path.parent.name if path.parent != folder else recording)
            part = (row and row.partition) or partition
            grid = read_text_grid(path)
            for name, labels, span in _utterances(grid, recording, tiers, silences, utterance_tier):
                utterance = _utterance(grid, labels, audio, span, untimed=untimed)
                utterance = replace(utterance, utterance_id=name, speaker=speaker, part=part)
                collection.add(utterance, path, labels[0].line)
    unused = sorted(set(rows) - used)
    if table is not None and unused:
        why = f"{len(unused)} utterances have no TextGrid below {root}: {name_utterances(unused)}; delete their lines"
        raise CorpusError(Path(table), rows[unused[0]].line, why)
    return collection.partitions()


def _read_table(path: Path) -> dict[str, _Row]:
    """Read the table of speakers and partitions: name of the recording -> row."""
    rows = list(csv.reader(read_lines(path, "utterance<TAB>speaker<TAB>partition"), delimiter="\t"))
    header = [name.strip().lower() for name in rows[0]]
    if "utterance" not in header or not {"speaker", "partition"} & set(header) or len(set(header)) < len(header):
        why = f"has columns {header}; the first line must name utterance, and speaker or partition or both, each once"
        raise CorpusError(path, 1, f"{why}, separated by tabs")
    found: dict[str, _Row] = {}
    for line, fields in enumerate(rows[1:], 2):
        if not any(fields):
            continue
        if len(fields) != len(header):
            raise CorpusError(path, line, f"has {len(fields)} fields, but the header has {len(header)}")
        row = dict(zip(header, (field.strip() for field in fields), strict=True))
        name = row["utterance"]
        if name in found:
            raise CorpusError(path, line, f"duplicate utterance {name}, as in line {found[name].line}; delete one line")
        found[name] = _Row(line, row.get("speaker", ""), row.get("partition", ""))
    return found


def _pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Iterate over the TextGrids below a folder, each with its recording."""
    grids: dict[Path, Path] = {}
    recordings: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.startswith("._"):  # what macOS keeps beside a file on other file systems
            continue
        if path.suffix.lower() == ".textgrid":
            grids[path.with_suffix("")] = path
        elif path.suffix.lower() in _AUDIO_SUFFIXES:
            recordings.setdefault(path.with_suffix(""), []).append(path)
    if not grids:
        raise CorpusError(folder, None, "holds no file NAME.TextGrid; name the folder that does")
    lonely = sorted(paths[0].name for stem, paths in recordings.items() if stem not in grids)
    if lonely:
        why = f"{len(lonely)} recordings have no TextGrid beside them and are left out: {name_utterances(lonely)}"
        warnings.warn(f"{folder}: {why}", stacklevel=4)
    for stem, path in grids.items():
        beside = recordings.get(stem, [])
        if not beside:
            raise CorpusError(
                path, None, f"has no recording beside it, such as {stem.name}.wav; add it, or delete this"
            )
        if len(beside) > 1:
            raise CorpusError(
                path, None, f"has {len(beside)} recordings: {', '.join(p.name for p in beside)}; keep one"
            )
        yield path, beside[0]


def _utterances(
    grid: TextGrid, recording: str, tiers: Sequence[str], silences: Collection[str], utterance_tier: str | None
) -> Iterator[tuple[str, list[Interval], Interval | None]]:
    """Iterate over name, labelled intervals and span of each utterance; a span of None is the whole recording."""
    if grid.start_s:
        why = f"starts at {grid.start_s:g} s, but its recording starts at 0; shift its times to 0 in Praat"
        raise CorpusError(grid.path, None, why)
    tier = grid.interval_tier(*tiers)
    labels = [label for label in tier.intervals if label.text and label.text not in silences]
    if utterance_tier is None:
        if not labels:
            why = f"tier {tier.name!r} has no label besides silence; label it, or move the file away"
            raise CorpusError(grid.path, None, why)
        yield recording, labels, None
        return
    spans = [span for span in grid.interval_tier(utterance_tier).intervals if span.text and span.text not in silences]
    place = 0
    for number, span in enumerate(spans, 1):
        inside = []
        while place < len(labels) and labels[place].start_s < span.end_s - _CROSSING_S:
            label = labels[place]
            if label.start_s < span.start_s - _CROSSING_S or label.end_s > span.end_s + _CROSSING_S:
                what = f"{label.text[:40]!r} lasts from {label.start_s:g} to {label.end_s:g} s"
                why = f"{what}, which lies in no single interval of tier {utterance_tier!r}; move the boundary"
                raise CorpusError(grid.path, label.line, why)
            inside.append(label)
            place += 1
        if not inside:
            why = f"interval {span.text[:40]!r} of tier {utterance_tier!r} has no label in tier {tier.name!r}"
            raise CorpusError(grid.path, span.line, f"{why}; label it, or empty the interval")
        yield f"{recording}-{number}", inside, span
    if place < len(labels):
        label = labels[place]
        why = f"{label.text[:40]!r} lies in no interval of tier {utterance_tier!r}; add one, or empty the label"
        raise CorpusError(grid.path, label.line, why)


def _utterance(
    grid: TextGrid, labels: list[Interval], audio: Path, span: Interval | None, *, untimed: bool
) -> Utterance:
    """Utterance without id, speaker and partition."""
    symbols = [parse_transcript(label.text, grid.path, label.line) for label in labels]
    start_s, end_s = (0.0, None) if span is None else (span.start_s, span.end_s)
    if untimed:
        whole = tuple(symbol for several in symbols for symbol in several)
        return Utterance("", "", audio, (), transcript=whole, start_s=start_s, end_s=end_s)
    for label, several in zip(labels, symbols, strict=True):
        if len(several) > 1:
            why = f"interval {label.text[:40]!r} holds {len(several)} symbols, whose times are not known"
            raise CorpusError(grid.path, label.line, f"{why}; label one phone per interval, or pass untimed=True")
    segments = [(label.start_s, label.end_s, symbol) for label, (symbol,) in zip(labels, symbols, strict=True)]
    phones = timed_phones(segments, sample_rate_of(audio), start_s)
    return Utterance("", "", audio, phones, start_s=start_s, end_s=end_s)
