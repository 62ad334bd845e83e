"""Comparisons of systems as text, CSV, JSON, LaTeX or Markdown."""

from __future__ import annotations

import json
from typing import Literal

from cnn_mellin.formats.text_table import format_line, format_table
from cnn_mellin.scoring.folder_comparison import FolderComparison

__all__ = ["comparison_text"]


def comparison_text(
    result: FolderComparison, text_format: Literal["text", "csv", "json", "latex", "markdown"] = "text"
) -> str:
    """Table of the systems, and table of their differences.

    Args:
        result: result of `compare_folders`.
        text_format: text, csv, json, latex or markdown.
    """
    return json.dumps(result.as_dict(), indent=1) if text_format == "json" else _tables(result, text_format)


def _tables(result: FolderComparison, text_format: Literal["text", "csv", "latex", "markdown"]) -> str:
    compared = result.comparison
    about = f"{result.part}: {compared.num_utterances} utterances of {compared.num_speakers} speakers, "
    about += f"{compared.num_phones} phones; {compared.convention} convention"
    rows = []
    for name, summary in compared.systems.items():
        setting, means = result.choices[name].setting, result.choices[name].percent
        tried = f"{setting} ({result.choose_on} {means[setting]:.2f}, best of {len(means)})" if means else setting
        spread = ["-" if summary.sd is None else f"{summary.sd:.2f}"]
        numbers = [summary.median, summary.minimum, summary.maximum]
        values = " ".join(f"{value:.2f}" for value in summary.values)
        row = [name, f"{summary.mean:.2f}", *spread, *(f"{number:.2f}" for number in numbers)]
        rows.append([*row, str(len(summary.values)), values, tried or "-"])
    header = ["system", "mean PER %", "sd", "median", "min", "max", "seeds", "all", "setting"]
    tables = [format_table(header, rows, text_format)]
    rows = []
    for pair in compared.pairs:
        bootstrap = pair.bootstrap
        tests = [(pair.permutation_p, pair.permutation_p_holm), (pair.training_p, pair.training_p_holm)]
        tests.append((pair.matched_pairs.p_value, pair.matched_pairs_p_holm))
        row = [f"{pair.second} - {pair.first}", f"{bootstrap.difference:+.2f}"]
        if bootstrap.low is None or bootstrap.high is None or bootstrap.probability_of_improvement is None:
            row += ["-", "-"]
        else:
            row += [f"{bootstrap.low:+.2f}..{bootstrap.high:+.2f}", f"{bootstrap.probability_of_improvement:.3f}"]
        rows.append([*row, *(f"{p:.4f}" for test in tests for p in test)])
    header = ["difference", "points", "95 % interval", "P(improved)"]
    header += [name for test in ("permutation p", "trainings p", "MAPSSWE p") for name in (test, "Holm")]
    if rows:
        tables.append(format_table(header, rows, text_format))
    remarks = [(name, line) for name, lines in compared.remarks.items() for line in lines]
    if text_format == "csv":
        tables += [format_table(["caveat"], [[line] for line in compared.caveats], "csv")] if compared.caveats else []
        return "\n\n".join([*tables, *([format_table(["system", "remark"], remarks, "csv")] if remarks else [])])
    tables.insert(0, format_line(about, text_format))
    lines = [*compared.caveats, *(f"{name}: {line}" for name, line in remarks)]
    if lines:
        between = "\n\n" if text_format == "markdown" else "\n"
        tables.append(between.join(format_line(line, text_format) for line in lines))
    return "\n\n".join(tables)
