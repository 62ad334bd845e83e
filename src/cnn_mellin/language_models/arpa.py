"""ARPA files, the common text format of n-gram models."""

from __future__ import annotations

import gzip
import io
import math
import re
from collections.abc import Container, Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.text_file import read_lines

__all__ = ["END", "START", "UNKNOWN", "Ngrams", "arpa_tokens", "read_arpa", "write_arpa"]

_COUNT = re.compile(r"ngram\s+(?P<order>[0-9]{1,3})\s*=\s*(?P<count>[0-9]{1,15})")
START, END, UNKNOWN = "<s>", "</s>", "<unk>"
_MARKS = frozenset({START, END, UNKNOWN, UNKNOWN.upper()})

# One dictionary per order, from 1: words -> base-10 logarithms of the probability and of the back-off weight.
Ngrams = list[dict[tuple[str, ...], tuple[float, float]]]


def arpa_tokens(ngrams: Ngrams) -> list[str]:
    """Sorted words of a model, without the marks of sentence start, sentence end and unknown words.

    >>> arpa_tokens([{("<s>",): (-99.0, 0.0), ("t",): (-0.3, 0.0), ("</s>",): (-0.3, 0.0)}])
    ['t']
    """
    return sorted(word for (word,) in ngrams[0] if word not in _MARKS)


def read_arpa(path: str | Path) -> Ngrams:
    """Read an ARPA file, gzip-compressed or not.

    Raises:
        DataError: the file cannot be read, or is not a valid ARPA file.
    """
    lines = _Lines(path, read_lines(path, expected="an ARPA file", compressed=True))
    promised = _read_counts(lines)
    ngrams: Ngrams = []
    for order, count in enumerate(promised, 1):
        lines.heading(f"\\{order}-grams:")
        ngrams.append(_read_section(lines, order, len(promised), ngrams[0] if ngrams else None))
        if len(ngrams[-1]) != count:
            raise DataError(
                f"{path}: has {len(ngrams[-1])} {order}-grams, but its head promises {count}; copy or write it again"
            )
    lines.heading("\\end\\")
    if not lines.at_end():
        raise lines.fault("follows \\end\\, which ends a model; keep one model per file")
    return ngrams


def write_arpa(path: str | Path, ngrams: Ngrams) -> None:
    """Write an ARPA file atomically, compressed if the name ends in `.gz`; equal models give equal bytes."""
    text = io.StringIO()
    text.write("\\data\\\n")
    for order, entries in enumerate(ngrams, 1):
        text.write(f"ngram {order}={len(entries)}\n")
    for order, entries in enumerate(ngrams, 1):
        text.write(f"\n\\{order}-grams:\n")
        for words, (log10_prob, log10_backoff) in sorted(entries.items()):
            backoff = f"\t{log10_backoff:.7g}" if order < len(ngrams) else ""
            text.write(f"{log10_prob:.7g}\t{' '.join(words)}{backoff}\n")
    text.write("\n\\end\\\n")
    content = text.getvalue().encode("utf-8")
    with atomic_file(path, "wb") as file:
        file.write(gzip.compress(content, mtime=0) if str(path).endswith(".gz") else content)


class _Lines:
    """Reads the non-blank lines of a file; toolkits differ in the number of blank lines between sections."""

    def __init__(self, path: str | Path, lines: Sequence[str]) -> None:
        self.path, self._lines, self._next = path, lines, 0

    def at_end(self) -> bool:
        """Return True if only blank lines are left."""
        while self._next < len(self._lines) and not self._lines[self._next].strip():
            self._next += 1
        return self._next == len(self._lines)

    def peek(self) -> str:
        """Return the next line, stripped, without consuming it; empty at the end of the file."""
        return "" if self.at_end() else self._lines[self._next].strip()

    def take(self) -> str:
        """Return the next line, and consume it."""
        line = self.peek()
        self._next += 1
        return line

    def heading(self, expected: str) -> None:
        """Consume a heading, which must be the next line."""
        if self.at_end():
            number = max(len(self._lines), 1)
            raise DataError(f"{self.path}:{number}: ends without {expected}; it is truncated: write or copy it again")
        if self.peek() != expected:
            raise self.fault(f"is not the heading {expected}")
        self._next += 1

    def fault(self, why: str) -> DataError:
        """Make the error for the next line."""
        return DataError(f"{self.path}:{self._next + 1}: {self.peek()[:60]!r} {why}")


def _read_counts(lines: _Lines) -> list[int]:
    """Read the number of n-grams of each order from the head; lines before the head are comments."""
    while lines.peek() != "\\data\\":
        if lines.at_end():
            raise DataError(f"{lines.path}: has no \\data\\ line; expected an ARPA file")
        lines.take()
    lines.take()
    counts: list[int] = []
    while not lines.at_end() and not lines.peek().startswith("\\"):
        match = _COUNT.fullmatch(lines.peek())
        if match is None or int(match["order"]) != len(counts) + 1:
            raise lines.fault(f"is not 'ngram {len(counts) + 1}=COUNT'")
        counts.append(int(match["count"]))
        lines.take()
    if not counts:
        raise DataError(f"{lines.path}: has no line 'ngram 1=COUNT' in its head; expected an ARPA file")
    return counts


def _read_section(
    lines: _Lines, order: int, highest: int, unigrams: Container[tuple[str, ...]] | None
) -> dict[tuple[str, ...], tuple[float, float]]:
    """Read the n-grams of one order, up to the next heading."""
    entries: dict[tuple[str, ...], tuple[float, float]] = {}
    while not lines.at_end() and not lines.peek().startswith("\\"):
        fields = lines.peek().split()
        words = tuple(fields[1 : order + 1])
        numbers = _numbers([fields[0], *fields[order + 1 :]])
        if len(words) < order or numbers is None or len(numbers) > 2 or numbers[0] > 0:
            raise lines.fault(f"is not 'LOG10_PROBABILITY {order} word(s) [LOG10_BACKOFF]'")
        if order == highest and numbers[1:] not in ([], [0.0]):
            raise lines.fault(f"has a back-off weight, but {highest}-grams are the longest; leave it out")
        unknown = [word for word in words if unigrams is not None and (word,) not in unigrams and word not in _MARKS]
        if unknown:
            raise lines.fault(f"has {unknown[0]!r}, which is not among the 1-grams; write the model again")
        if words in entries:
            raise lines.fault(f"is a duplicate of {' '.join(words)!r}; delete one of the lines")
        entries[words] = (numbers[0], numbers[1] if len(numbers) > 1 else 0.0)
        lines.take()
    return entries


def _numbers(fields: Sequence[str]) -> list[float] | None:
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return None
    return None if any(math.isnan(number) or number == math.inf for number in numbers) else numbers
