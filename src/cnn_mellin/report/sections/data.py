"""Section on the data: how much each partition holds, what was added to it, and what was left out of it."""

from __future__ import annotations

from cnn_mellin.data.summary import summarise_partition
from cnn_mellin.errors import DataError
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section

__all__ = ["data_section"]


def data_section(results: RecipeResults) -> Section:
    """Table of the partitions, their copies at other speeds, and the utterances that were left out as damaged."""
    section = Section("Data")
    rows: list[list[str]] = []
    copies: list[str] = []
    left_out: dict[tuple[str, str], str] = {}
    for name in results.options.feature_names:
        for partition in ("train", "dev", "test"):
            try:
                summary = summarise_partition(results.folder / "data" / name / partition)
            except DataError:  # deleted since the recipe ran
                continue
            hours = "–" if summary.hours is None else f"{summary.hours:.2f}"
            rates = ", ".join(f"{hz} Hz: {count}" for hz, count in summary.sample_rates_hz.items()) or "–"
            if summary.speed_copies:
                copies.append(f"{name}/{partition}: {summary.speed_copies}.")
            left_out |= {(partition, utterance): fault for utterance, fault in summary.left_out.items()}
            counts = [str(summary.num_utterances), hours, str(summary.num_symbols), str(len(summary.left_out)), rates]
            rows.append([f"{name}/{partition}", *counts])
    if not rows:
        return section
    section.table(["partition", "utterances", "hours", "symbols", "left out", "sample rates before"], rows)
    for line in copies:
        section.text(line)
    if left_out:
        section.text(f"{len(left_out)} utterances were left out because they cannot be used.")
        lines = [f"{partition} {utterance}: {fault}" for (partition, utterance), fault in left_out.items()]
        section.folded("Utterances that were left out", "\n".join(lines))
    return section
