"""Section on what the systems are: their size, and when and where they were trained."""

from __future__ import annotations

import statistics
from pathlib import Path

from cnn_mellin.report.model_size import model_size
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.training.machine import TrainingMachine, read_machine
from cnn_mellin.training.model_folder import read_description

__all__ = ["systems_section"]

_KINDS = {
    "lcorr": "lcorr models correlate each window of frames with kernels that are shifted along time (linear "
    "correlation)",
    "mcorr": "mcorr models with kernels that are stretched along time (Mellin correlation), so that a change of the "
    "speaking rate becomes a shift in log time",
}


def systems_section(results: RecipeResults) -> Section:
    """Sentence on the kinds of models, and a table of each system's size, training time, date and machine.

    Training time is the sum over the epochs, mean over the seeds; live weights are those that can learn.
    """
    section = Section("Systems")
    rows = []
    histories = results.histories()
    for system in results.systems:
        folders = sorted((results.folder / "models" / system).glob("seed*"))
        described = [folder for folder in folders if (folder / "model.json").exists()]
        sizes = model_size(read_description(described[0])) if described else None
        numbers = ["–", "–"] if sizes is None else [f"{size:,}" for size in sizes]
        seconds = [sum(epoch.seconds for epoch in epochs) for epochs in histories.get(system, [])]
        time = f"{statistics.fmean(seconds) / 60:.1f}" if seconds else "–"
        rows.append([system, *numbers, time, *_when_and_where(folders)])
    if any(cell != "–" for row in rows for cell in row[1:]):
        section.text(f"{'; '.join(text for model, text in _KINDS.items() if model in results.options.models)}.")
        header = ["system", "weights", "live weights", "training, minutes per seed", "date (UTC)", "machine"]
        section.table(header, rows)
    return section


def _when_and_where(folders: list[Path]) -> list[str]:
    """Date of the last training, and all machines."""
    found = [machine for machine in map(read_machine, folders) if machine is not None]
    if not found:
        return ["–", "–"]
    return [max(machine.finished for machine in found)[:10], ", ".join(dict.fromkeys(map(_name, found)))]


def _name(machine: TrainingMachine) -> str:
    return machine.processor if machine.device == "cpu" else f"{machine.device} ({machine.processor})"
