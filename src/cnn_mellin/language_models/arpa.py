"""ARPA files: the text form of n-gram models that every toolkit reads."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError

__all__ = ["END", "START", "UNKNOWN", "Ngrams", "arpa_tokens", "read_arpa", "write_arpa"]

START, END, UNKNOWN = "<s>", "</s>", "<unk>"

# For each order, from 1: words -> base-10 logarithms of their probability and of their back-off weight.
Ngrams = list[dict[tuple[str, ...], tuple[float, float]]]


def arpa_tokens(ngrams: Ngrams) -> list[str]:
    """The words of a model, sorted, without those that mark the start, the end and the unknown.

    >>> arpa_tokens([{("<s>",): (-99.0, 0.0), ("t",): (-0.3, 0.0), ("</s>",): (-0.3, 0.0)}])
    ['t']
    """
    return sorted(word for (word,) in ngrams[0] if word not in (START, END, UNKNOWN, UNKNOWN.upper()))


def read_arpa(path: str | Path) -> Ngrams:
    """Read a file, compressed by gzip or not.

    Raises:
        DataError: the file cannot be read, or a line breaks the form.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        lines = enumerate(content.decode("utf-8").splitlines(), 1)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DataError(f"{path}: is not a whole gzip file; write it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; expected an ARPA file") from None
    promised = _read_counts(path, lines)
    ngrams: Ngrams = []
    for order, count in enumerate(promised, 1):
        ngrams.append(_read_section(path, lines, order, len(promised)))
        if len(ngrams[-1]) != count:
            raise DataError(f"{path}: has {len(ngrams[-1])} {order}-grams, but its head promises {count}")
    last = next((line for _, line in lines if line.strip()), "")
    if last.strip() != "\\end\\":
        raise DataError(f"{path}: ends without \\end\\; it was cut, or holds more orders than its head says")
    return ngrams


def write_arpa(path: str | Path, ngrams: Ngrams) -> None:
    """Write a file, whole or not at all; compressed if its name ends in `.gz`, the same bytes every time."""
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


def _read_counts(path: Path, lines: Iterator[tuple[int, str]]) -> list[int]:
    """Number of n-grams of each order, from the head; what stands before the head is a comment."""
    if not any(line.strip() == "\\data\\" for _, line in lines):
        raise DataError(f"{path}: has no \\data\\ line; expected an ARPA file")
    counts: list[int] = []
    for number, line in lines:
        if not line.strip():
            if counts:
                return counts
            continue
        order, _, count = line.strip().removeprefix("ngram ").partition("=")
        if not line.startswith("ngram ") or order.strip() != str(len(counts) + 1) or not count.strip().isdecimal():
            raise DataError(f"{path}:{number}: {line[:60]!r} is not 'ngram {len(counts) + 1}=COUNT'")
        counts.append(int(count))
    raise DataError(f"{path}: ends within its head")


def _read_section(
    path: Path, lines: Iterator[tuple[int, str]], order: int, highest: int
) -> dict[tuple[str, ...], tuple[float, float]]:
    heading = next(((number, line.strip()) for number, line in lines if line.strip()), (0, ""))
    if heading[1] != f"\\{order}-grams:":
        raise DataError(f"{path}:{heading[0]}: {heading[1][:60]!r} is not the heading \\{order}-grams:")
    entries: dict[tuple[str, ...], tuple[float, float]] = {}
    for number, line in lines:
        fields = line.split()
        if not fields:
            return entries
        words = tuple(fields[1 : order + 1])
        numbers = _numbers([fields[0], *fields[order + 1 :]])
        if len(words) < order or numbers is None or len(numbers) > 1 + (order < highest) or numbers[0] > 0:
            raise DataError(
                f"{path}:{number}: {line[:60]!r} is not 'LOG10_PROBABILITY {order} word(s) [LOG10_BACKOFF]'"
            )
        if words in entries:
            raise DataError(f"{path}:{number}: {' '.join(words)!r} is there a second time")
        entries[words] = (numbers[0], numbers[1] if len(numbers) > 1 else 0.0)
    raise DataError(f"{path}: ends within its {order}-grams")


def _numbers(fields: Sequence[str]) -> list[float] | None:
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return None
    return None if any(math.isnan(number) or number == math.inf for number in numbers) else numbers
