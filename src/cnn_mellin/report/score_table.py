"""Phone error rates as text, CSV, JSON, LaTeX or Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Literal

from cnn_mellin.formats.text_table import format_line, format_table
from cnn_mellin.scoring.error_counts import ErrorCounts
from cnn_mellin.scoring.phone_error_rate import PhoneErrorRate
from cnn_mellin.scoring.scored_file import ScoredFile

__all__ = ["ScoredFile", "score_text"]

_RATES = ("group", "name", "percent", "phones", "substitutions", "deletions", "insertions")
_FEATURE_RATES = ("feature_percent", "segments", "feature_distance")


def score_text(
    scored: Sequence[ScoredFile],
    text_format: Literal["text", "csv", "json", "latex", "markdown"] = "text",
    *,
    worst: int = 10,
    with_matrix: bool = False,
) -> str:
    """Tables of phone error rates.

    Text, LaTeX and Markdown also list empty transcripts, unseen symbols, remarks on articulatory features and the most
    frequent confusions.

    Args:
        scored: scored files.
        text_format: text, csv, json, latex or markdown.
        worst: number of confusions to list.
        with_matrix: add the confusion matrix.

    >>> from cnn_mellin.scoring import phone_error_rate
    >>> result = phone_error_rate({"a": ["t", "d"]}, {"a": ["t", "t"]})
    >>> print(score_text([ScoredFile("a.trn", result, [("total", "", result.total)])], "markdown", with_matrix=True))
    a.trn (kaldi, 1 utterances)
    <BLANKLINE>
    |       | PER % | phones | sub | del | ins |
    |-------|------:|-------:|----:|----:|----:|
    | total | 50.00 |      2 |   1 |   0 |   0 |
    <BLANKLINE>
    | reference | d | t | (del) |
    |-----------|--:|--:|------:|
    | d         | . | 1 |     . |
    | t         | . | 1 |     . |
    | (ins)     | . | . |     . |
    <BLANKLINE>
    worst: d > t 1
    """
    if text_format == "json":
        return json.dumps([file.as_dict(worst=worst, with_matrix=with_matrix) for file in scored], indent=1)
    if text_format == "csv":
        return _csv(scored, with_matrix)
    if text_format == "text":
        return "\n".join(
            "\n".join(_blocks(file, text_format, worst, with_matrix)).replace("\n", "\n  ") for file in scored
        )
    return "\n\n".join(block for file in scored for block in _blocks(file, text_format, worst, with_matrix))


def _blocks(
    file: ScoredFile, text_format: Literal["text", "latex", "markdown"], worst: int, with_matrix: bool
) -> Iterator[str]:
    """Blocks of text, to be separated by blank lines."""
    about = f"{file.path} ({file.result.convention}, {len(file.result.utterances)} utterances)"
    yield format_line(about, text_format)
    rows = [
        [name or group, f"{counts.percent:.2f}", *map(str, _numbers(counts)[1:]), *_feature_cells(file, group, name)]
        for group, name, counts in file.rows
    ]
    header = ["", "PER %", "phones", "sub", "del", "ins", *(["PFER %"] if file.features else [])]
    yield format_table(header, rows, text_format)
    if with_matrix:
        yield format_table(*_matrix(file.result, zero="."), text_format)
    lines = [*file.result.remarks, *(file.features.remarks if file.features else [])]
    confusions = file.result.worst_confusions(worst)
    if confusions:
        lines.append("worst: " + ", ".join(f"{r or '(ins)'} > {h or '(del)'} {n}" for r, h, n in confusions))
    if lines:
        yield ("\n\n" if text_format == "markdown" else "\n").join(format_line(line, text_format) for line in lines)


def _feature_cells(file: ScoredFile, group: str, name: str) -> list[str]:
    """Cell of the phone feature error rate, if it was asked for."""
    if file.features is None:
        return []
    counts = file.feature_counts.get((group, name))
    return ["." if counts is None else f"{counts.percent:.2f}"]


def _numbers(counts: ErrorCounts) -> tuple[float, int, int, int, int]:
    return counts.percent, counts.num_phones, counts.substitutions, counts.deletions, counts.insertions


def _matrix(result: PhoneErrorRate, zero: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the confusion matrix."""
    phones, counts = result.confusion_matrix()
    names = [phone or "(ins)" for phone in phones]
    rows = [[name, *(str(count or zero) for count in row)] for name, row in zip(names, counts, strict=True)]
    return ["reference", *names[:-1], "(del)"], rows


def _csv_feature_cells(file: ScoredFile, group: str, name: str) -> list[str]:
    counts = file.feature_counts.get((group, name))
    return [""] * 3 if counts is None else [str(counts.percent), str(counts.num_segments), str(counts.distance)]


def _csv(scored: Sequence[ScoredFile], with_matrix: bool) -> str:
    """One table of phone error rates, and one of the phone pairs that occur."""
    with_features = any(file.features for file in scored)
    rates = [
        [file.path, file.result.convention, group, name, *map(str, _numbers(counts))]
        + (_csv_feature_cells(file, group, name) if with_features else [])
        for file in scored
        for group, name, counts in file.rows
    ]
    header = ["hypothesis", "convention", *_RATES, *(_FEATURE_RATES if with_features else ())]
    tables = [format_table(header, rates, "csv")]
    if with_matrix:
        pairs = [
            [file.path, file.result.convention, reference or "", recognised or "", str(count)]
            for file in scored
            for (reference, recognised), count in sorted(
                file.result.pairs.items(), key=lambda item: (item[0][0] or "", item[0][1] or "")
            )
        ]
        tables.append(format_table(["hypothesis", "convention", "reference", "recognised", "count"], pairs, "csv"))
    return "\n\n".join(tables)
