"""Section on one utterance of average difficulty: its features, and the alignment of its hypothesis."""

from __future__ import annotations

from collections.abc import Sequence

from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.report.figures.utterance import utterance_svg
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.report.table_cells import system_name
from cnn_mellin.scoring.alignment import align
from cnn_mellin.scoring.phone_error_rate import phone_error_rate

__all__ = ["utterance_section"]


def utterance_section(results: RecipeResults) -> Section:
    """Picture and alignment of the test utterance whose phone error rate is the median of the best system."""
    section = Section("An utterance")
    best, path = results.median_run()
    references, hypotheses = results.transcripts(path)
    scored = phone_error_rate(references, hypotheses)
    ranked = sorted(scored.utterances, key=lambda name: (scored.utterances[name].percent, name))
    name = ranked[len(ranked) // 2]
    features = next(f for f in results.options.feature_names if best == f"{best.split('-')[0]}-{f}-greedy")
    data = results.folder / "data" / features
    percent = scored.utterances[name].percent
    section.text(
        f"{name}, of average difficulty for {system_name(best, 'greedy')}: its phone error rate is {percent:.0f} %."
    )
    picture = utterance_svg(read_partition(data / "test"), name, read_symbols(data / "ext"))
    alt = f"Features of the utterance against time. Its phones: {' '.join(references[name])}."
    section.picture(picture, "Its features, and its phones as they were labelled.", alt)
    section.folded("Alignment with what was recognised", _alignment_text(references[name], hypotheses[name]))
    return section


def _alignment_text(reference: Sequence[str], hypothesis: Sequence[str]) -> str:
    """Three lines: what was said, what was recognised, and an x below each error."""
    lines: tuple[list[str], list[str], list[str]] = (["said"], ["recognised"], [""])
    for said, recognised in align(reference, hypothesis):
        cells = (said or "·", recognised or "·", "" if said == recognised else "x")
        width = max(map(len, cells))
        for line, cell in zip(lines, cells, strict=True):
            line.append(cell.ljust(width))
    head = max(len(line[0]) for line in lines)
    return "\n".join(" ".join([line[0].ljust(head), *line[1:]]).rstrip() for line in lines)
