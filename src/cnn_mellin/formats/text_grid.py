"""Praat's TextGrid files: reading the long and the short text form, and writing the long one.

Both forms are one sequence of numbers, quoted texts and flags that stand free between white space; all other words are
there for people to read. This module reads that sequence, so that it reads whatever Praat reads, and can name the line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.text_file import read_text

__all__ = ["Interval", "IntervalTier", "Point", "PointTier", "TextGrid", "read_text_grid", "write_text_grid"]

_TOKEN = re.compile(
    r"""
    (?P<comment> ![^\n]* )
    | (?P<text> "(?P<quoted>(?:[^"]|"")*)"(?!\S) )
    | (?P<open> "[^\n]* )                       # a quotation mark that is never closed
    | (?P<flag> <[^>\s]*>(?!\S) )
    | (?P<number> [+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\S) )
    | (?P<word> \S+ )
    """,
    re.VERBOSE,
)
_TOLERATED_S = 1e-4  # overlap of two intervals: programs round their times
_MOST_TIERS = 10_000  # a larger number is damage


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of a tier.

    Args:
        start_s, end_s: span in seconds; 0 <= start_s <= end_s.
        text: label without white space around it; empty for an interval without a label.
        line: line of the label in its file, from 1; 0 if it is not from a file.
    """

    start_s: float
    end_s: float
    text: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a tier: time in seconds, label, and line of the label in its file (0 if it is not from a file)."""

    time_s: float
    text: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class IntervalTier:
    """A tier of intervals, in the order of their times; they need not touch."""

    name: str
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class PointTier:
    """A tier of points, in the order of their times."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class TextGrid:
    """Content of a TextGrid file.

    Args:
        path: the file.
        start_s, end_s: span of the recording in seconds.
        tiers: tiers from the uppermost; names may be duplicate.
    """

    path: Path
    start_s: float
    end_s: float
    tiers: tuple[IntervalTier | PointTier, ...]

    def interval_tier(self, *names: str) -> IntervalTier:
        """Return the tier of intervals that has the first of several names.

        Args:
            names: names of the tier; a later one counts only if there is no tier with an earlier one.

        Raises:
            CorpusError: no tier has such a name, or several have the same.
        """
        for name in names:
            found = [tier for tier in self.tiers if tier.name == name and isinstance(tier, IntervalTier)]
            if len(found) == 1:
                return found[0]
            if found:
                raise CorpusError(self.path, None, f"has {len(found)} tiers named {name!r}; rename all but one of them")
            if any(tier.name == name for tier in self.tiers):
                raise CorpusError(self.path, None, f"tier {name!r} holds points; name a tier of intervals")
        known = ", ".join(repr(tier.name) for tier in self.tiers if isinstance(tier, IntervalTier)) or "none"
        wanted = " or ".join(map(repr, names))
        raise CorpusError(self.path, None, f"has no tier {wanted}; its tiers of intervals are {known}")


def read_text_grid(path: str | Path) -> TextGrid:
    r"""Read a TextGrid file of Praat in its long or short text form.

    Args:
        path: file in UTF-8, or in UTF-16 with a byte-order mark.

    Returns:
        All tiers of intervals and points. Intervals without a label are kept.

    Raises:
        CorpusError: the file cannot be read, is not text, is not a TextGrid, ends early, or has an interval that ends
            before it starts or that overlaps another of its tier; the message names the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tier = IntervalTier("phones", (Interval(0.25, 0.5, "a"),))
    ...     write_text_grid(folder + "/a.TextGrid", 1.0, [tier])
    ...     [(i.start_s, i.end_s, i.text) for i in read_text_grid(folder + "/a.TextGrid").tiers[0].intervals]
    [(0.0, 0.25, ''), (0.25, 0.5, 'a'), (0.5, 1.0, '')]
    """
    path = Path(path)
    _refuse_binary(path)
    content = _Content(path, read_text(path, CorpusError, expected="a TextGrid file of Praat", utf_16=True))
    form = content.text("the first line 'File type = \"ooTextFile\"'")
    kind = content.text("the line 'Object class = \"TextGrid\"'")
    if form not in ("ooTextFile", "ooTextFile short") or kind != "TextGrid":
        content.fail(f"is of type {form[:40]!r} and class {kind[:40]!r}; expected a TextGrid as text ('ooTextFile')")
    start_s, end_s = content.span("the TextGrid")
    if content.flag() != "<exists>":
        content.fail("has no tiers; expected the flag <exists> and their number")
    num_tiers = content.count("the number of tiers", _MOST_TIERS)
    return TextGrid(path, start_s, end_s, tuple(_read_tier(content, i + 1) for i in range(num_tiers)))


def write_text_grid(path: str | Path, end_s: float, tiers: Sequence[IntervalTier]) -> None:
    """Write tiers of intervals as a TextGrid file in the long text form, in UTF-8, atomically.

    Args:
        path: path of the file.
        end_s: end of the recording in seconds; all tiers reach from 0 to there, gaps are filled by empty intervals.
        tiers: tiers from the uppermost.

    Raises:
        ValueError: there is no tier, or intervals of a tier overlap, end before they start, or lie outside 0..end_s.
    """
    if not tiers:
        raise ValueError("tiers is empty; a TextGrid has at least one tier")
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end_s!r}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, tier in enumerate(tiers, 1):
        whole = list(_without_gaps(tier, end_s))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(tier.name)}"]
        lines += ["        xmin = 0", f"        xmax = {end_s!r}", f"        intervals: size = {len(whole)}"]
        for i, interval in enumerate(whole, 1):
            lines += [f"        intervals [{i}]:", f"            xmin = {interval.start_s!r}"]
            lines += [f"            xmax = {interval.end_s!r}", f"            text = {_quoted(interval.text)}"]
    with atomic_file(path) as file:
        file.writelines(f"{line}\n" for line in lines)


def _refuse_binary(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            binary = file.read(12) == b"ooBinaryFile"
    except OSError:  # reported when it is read
        return
    if binary:
        raise CorpusError(path, None, "is a binary TextGrid; save it as text in Praat (Save as text file...)")


def _read_tier(content: _Content, number: int) -> IntervalTier | PointTier:
    kind = content.text(f"the class of tier {number}")
    if kind not in ("IntervalTier", "TextTier"):
        content.fail(f"tier {number} has class {kind[:40]!r}; expected 'IntervalTier' or 'TextTier'")
    name = content.text(f"the name of tier {number}").strip()
    what = f"tier {name[:40]!r}"
    content.span(what)
    size = content.count(f"the number of {'intervals' if kind == 'IntervalTier' else 'points'} of {what}")
    if kind == "TextTier":
        return PointTier(name, tuple(_read_point(content, f"point {i + 1} of {what}") for i in range(size)))
    intervals: list[Interval] = []
    for i in range(size):
        start_s, end_s = content.span(f"interval {i + 1} of {what}")
        before = intervals[-1].end_s if intervals else 0.0
        if start_s < before - _TOLERATED_S:
            why = f"interval {i + 1} of {what} starts at {start_s:g} s, before the previous one ends ({before:g} s)"
            content.fail(f"{why}; mend the times")
        text = content.text(f"the text of interval {i + 1} of {what}")
        intervals.append(Interval(start_s, end_s, text.strip(), content.line))
    return IntervalTier(name, tuple(intervals))


def _read_point(content: _Content, what: str) -> Point:
    time_s = content.number(f"the time of {what}")
    text = content.text(f"the mark of {what}")
    return Point(time_s, text.strip(), content.line)


class _Content:
    """The numbers, texts and flags of a file, read one after another; `line` is the line of the last one."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.line = path, 1
        self._tokens = self._find(text)

    def text(self, what: str) -> str:
        return self._next("text", what).replace('""', '"')

    def flag(self) -> str:
        return self._next("flag", "the flag <exists>")

    def number(self, what: str) -> float:
        value = float(self._next("number", what))
        if not math.isfinite(value):
            self.fail(f"{what} is not finite; mend the number")
        return value

    def count(self, what: str, most: int = 1 << 31) -> int:
        value = self.number(what)
        if not value.is_integer() or not 0 <= value <= most:
            self.fail(f"{what} is {value:g}; it must be a whole number of at least 0")
        return int(value)

    def span(self, what: str) -> tuple[float, float]:
        start_s, end_s = self.number(f"the start of {what}"), self.number(f"the end of {what}")
        if not 0 <= start_s <= end_s:
            self.fail(f"{what} lasts from {start_s:g} to {end_s:g} s; it must be 0 <= start <= end; mend the times")
        return start_s, end_s

    def fail(self, why: str) -> NoReturn:
        raise CorpusError(self.path, self.line, why) from None

    def _next(self, kind: str, what: str) -> str:
        found, value, line = next(self._tokens, ("", "", self.line))
        self.line = line
        if not found:
            self.fail(f"ends before {what}; the file is cut short, copy or save it again")
        if found != kind:
            self.fail(f"holds {found} {value[:40]!r}; expected {what}")
        return value

    def _find(self, text: str) -> Iterator[tuple[str, str, int]]:
        """Iterate over kind, value and line of each token; a text that is never closed ends the sequence."""
        line, counted = 1, 0
        for match in _TOKEN.finditer(text):
            kind = str(match.lastgroup if match.lastgroup != "quoted" else "text")
            if kind in ("comment", "word"):
                continue
            line += text.count("\n", counted, match.start())
            counted = match.start()
            if kind == "open":
                return
            yield kind, match["quoted"] if kind == "text" else match[0], line


def _without_gaps(tier: IntervalTier, end_s: float) -> Iterator[Interval]:
    """Intervals of a tier, and empty ones between them, from 0 to `end_s`."""
    before = 0.0
    for interval in tier.intervals:
        if not before <= interval.start_s <= interval.end_s <= end_s:
            span = f"{interval.text!r} lasts from {interval.start_s} to {interval.end_s}"
            raise ValueError(f"tier {tier.name!r}: {span}; intervals must not overlap, and must lie in 0..{end_s}")
        if interval.start_s > before:
            yield Interval(before, interval.start_s, "")
        yield interval
        before = interval.end_s
    if before < end_s or not tier.intervals:
        yield Interval(before, end_s, "")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
