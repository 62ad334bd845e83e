"""Formatting of tables as text, CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Literal

__all__ = ["TableFormat", "escape_markdown", "format_line", "format_table"]

TableFormat = Literal["text", "csv", "markdown", "latex"]
_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
# Characters that start Markdown markup; an underscore within a word does not.
_MARKUP = re.compile(r"[\\`*|\[\]~]|(?<![^\W_])_|_(?![^\W_])")
_TAG, _ENTITY = re.compile(r"<(?=[A-Za-z/!?])"), re.compile(r"&(?=#?\w+;)")
# Spreadsheets take a cell that starts like this for a formula, unless it is a number or a lone sign.
_FORMULA = re.compile(r"(?:[=@\t\r]|[+\-](?![\d.+\-eE]*$)).", re.DOTALL)


def escape_markdown(text: str) -> str:
    r"""Escape text so that Markdown shows it literally, on one line.

    >>> escape_markdown("<eps> | m_corr _x_, p < 0.1")
    '&lt;eps> \\| m_corr \\_x\\_, p < 0.1'
    """
    text = _ENTITY.sub("&amp;", " ".join(text.splitlines()))
    return _MARKUP.sub(r"\\\g<0>", _TAG.sub("&lt;", text))


def format_line(text: str, table_format: TableFormat = "text") -> str:
    """Format a line between tables: a comment in LaTeX, escaped in Markdown."""
    if table_format == "latex":
        return f"% {' '.join(text.splitlines())}"
    return escape_markdown(text) if table_format == "markdown" else text


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], table_format: TableFormat = "text") -> str:
    """Format a table, without a final line end; the first column is aligned left, the others right.

    Cells are shown literally: Markdown and LaTeX markup is escaped, and in CSV an apostrophe precedes a cell that a
    spreadsheet would run as a formula.

    Args:
        header: names of the columns.
        rows: cells of each row.
        table_format: text, csv, markdown or latex.

    Raises:
        ValueError: a row has more or fewer cells than the header, or the format is unknown.

    >>> print(format_table(["system", "PER %"], [["lcorr", "17.80"], ["m_corr", "9.10"]]))
    system  PER %
    lcorr   17.80
    m_corr   9.10
    >>> print(format_table(["system", "PER %"], [["m_corr", "9.10"]], "markdown"))
    | system | PER % |
    |--------|------:|
    | m_corr |  9.10 |
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells; each must have {len(header)}, like the header")
    lines = [list(header), *map(list, rows)]
    if table_format == "csv":
        text = io.StringIO()
        rows_of_data = [["'" + cell if _FORMULA.match(cell) else cell for cell in line] for line in lines]
        csv.writer(text, lineterminator="\n").writerows(rows_of_data)
        return text.getvalue().rstrip("\n")
    if table_format == "latex":
        lines = [[cell.translate(_LATEX) for cell in line] for line in lines]
    if table_format == "markdown":
        lines = [[escape_markdown(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[lines[i][0].ljust(widths[0]), *map(str.rjust, lines[i][1:], widths[1:])] for i in range(len(lines))]
    if table_format == "text":
        return "\n".join("  ".join(line).rstrip() for line in padded)
    if table_format == "markdown":
        rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
        written = ["| " + " | ".join(line) + " |" for line in padded]
        return "\n".join([written[0], f"|{rule}|", *written[1:]])
    if table_format == "latex":
        body = [" & ".join(line) + r" \\" for line in padded]
        columns = "l" + "r" * (len(header) - 1)
        head = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", body[0], r"\hline"]
        return "\n".join([*head, *body[1:], r"\hline", r"\end{tabular}"])
    raise ValueError(f"table_format is {table_format!r}; it must be text, csv, markdown or latex")
