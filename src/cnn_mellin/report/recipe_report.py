"""The report of a recipe: what its folder holds, as one page."""

from __future__ import annotations

import csv
import importlib.metadata
import math
import platform
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.phone_sets import fold_phones
from cnn_mellin.formats.text_file import parse_json, read_lines, read_text
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.recipe.options import RecipeOptions, read_options
from cnn_mellin.recipe.plan import plan_recipe
from cnn_mellin.recipe.search_plan import study_names
from cnn_mellin.report.figures.results import draw_confusions, draw_curves, draw_groups, draw_rates
from cnn_mellin.report.report_page import Page, Section
from cnn_mellin.report.search_section import search_section
from cnn_mellin.scoring.alignment import align
from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.significance.holm import holm
from cnn_mellin.training.history import EpochRecord

__all__ = ["results_text", "write_report"]

_DECODERS = {
    "greedy": "greedy search, no language model",
    "trigram": "prefix search with a trigram, settings chosen on dev",
}
_TITLE = "Linear and Mellin models: phone error rates"
_TESTS = ("permutation p", "trainings p", "MAPSSWE p")
# Systems of more seeds have no column for each.
_MOST_SINGLY = 5
_NUMBER = (float, None)
_COMPARISON = {
    "num_utterances": int,
    "num_speakers": int,
    "num_phones": int,
    "convention": str,
    "systems": {
        str: {"values": [float], "mean": float, "sd": _NUMBER, "median": float, "minimum": float, "maximum": float}
    },
    "choices": {str: {"setting": (str, None)}},
    "pairs": [
        {
            "first": str,
            "second": str,
            "bootstrap": {"difference": float, "low": _NUMBER, "high": _NUMBER},
            "permutation_p": float,
            "permutation_p_holm": float,
            "matched_pairs_p_holm": float,
        }
    ],
}
_SCORES = [{"rates": [{"group": str, "name": str, "percent": _NUMBER}]}]
_PARTITION = {"digest?": str}
_PACKAGES = ("cnn-mellin", "torch", "numpy", "scipy", "optuna", "snakemake", "matplotlib")


def write_report(folder: str | Path) -> list[Path]:
    """Write `report.html` and `report.md` of a recipe; returns their paths.

    Raises:
        DataError: the folder holds no recipe, or one that has compared nothing yet.
        ImportError: matplotlib is not installed (the extra `report`).
    """
    folder = Path(folder)
    page = _page(folder, read_options(folder))
    paths = [folder / "report.html", folder / "report.md"]
    for path, text in zip(paths, (page.html(), page.markdown()), strict=True):
        with atomic_file(path) as file:
            file.write(text)
    return paths


def results_text(folder: str | Path) -> str:
    """The results of a recipe as Markdown: tables, and how sure the differences are.

    Raises:
        DataError: the folder holds no recipe, or one that has compared nothing yet.
    """
    folder = Path(folder)
    options = read_options(folder)
    comparisons = _comparisons(folder)
    sections = [_results(folder, comparisons, options), _gain(folder, _systems(options))]
    return Page(_TITLE, _about(comparisons, options), _answer(comparisons), sections).markdown()


def _comparisons(folder: Path) -> dict[str, Any]:
    comparisons = {name: _json(folder / "comparison" / f"{name}.json", _COMPARISON) for name in _DECODERS}
    if comparisons["greedy"] is None:
        raise DataError(
            f"{folder}: has no comparison yet; run the recipe to its end: cnn-mellin recipe status {folder}"
        )
    return {name: found for name, found in comparisons.items() if found is not None}


def _systems(options: RecipeOptions) -> list[str]:
    return [f"{model}-{name}" for name in options.feature_names for model in options.models]


def _about(comparisons: Mapping[str, Any], options: RecipeOptions) -> str:
    greedy = comparisons["greedy"]
    about = f"Test part of {Path(options.corpus).name}: {greedy['num_utterances']} utterances of "
    about += f"{greedy['num_speakers']} speakers, {greedy['num_phones']} phones. Trained {options.num_seeds} times "
    return about + f"each; every silence scored (convention {greedy['convention']})."


def _page(folder: Path, options: RecipeOptions) -> Page:
    comparisons, systems = _comparisons(folder), _systems(options)
    greedy = comparisons["greedy"]
    sections = [
        _results(folder, comparisons, options),
        _gain(folder, systems),
        _rates(folder, systems),
        _curves(folder, systems, options.num_seeds),
        _groups(folder, systems, "phone"),
        _groups(folder, systems, "speaker"),
        _confusions(folder, greedy, options),
        _example(folder, greedy, options),
        _search(folder, options),
        _reproduction(folder, options, systems),
    ]
    return Page(_TITLE, _about(comparisons, options), _answer(comparisons), sections)


def _answer(comparisons: Mapping[str, Any]) -> list[str]:
    """For each way of decoding: the best system, and how sure it is that it is better than the next."""
    said = []
    for name, comparison in comparisons.items():
        ranked = sorted(comparison["systems"], key=lambda system: comparison["systems"][system]["mean"])
        best = ranked[0]
        text = f"{_DECODERS[name].split(',')[0].capitalize()}: "
        tied = [system for system in ranked if _mean(comparison, system) == _mean(comparison, best)]
        if len(tied) > 1:
            names = " and ".join(_plain(system, name) for system in tied)
            said.append(f"{text}{names} have the same phone error rate, {_mean(comparison, best)} %.")
            continue
        text += f"{_plain(best, name)} has the lowest phone error rate, {comparison['systems'][best]['mean']:.1f} %"
        pair = next((p for p in comparison["pairs"] if {p["first"], p["second"]} == set(ranked[:2])), None)
        if pair is not None:
            difference = abs(pair["bootstrap"]["difference"])
            p_value = max(pair["permutation_p_holm"], pair["training_p_holm"])
            sure = "more than chance explains" if p_value < 0.05 else "not shown to be more than chance"
            equal = "" if p_value < 0.001 else "= "
            text += f"; {difference:.1f} points below {_plain(ranked[1], name)}, {sure} (p {equal}{_p(p_value)})"
        said.append(text + ".")
    return said


def _mean(comparison: Mapping[str, Any], system: str) -> str:
    """Mean phone error rate of a system in percent, as tables show it: systems that differ by less are equal."""
    return f"{comparison['systems'][system]['mean']:.2f}"


def _results(folder: Path, comparisons: Mapping[str, Any], options: RecipeOptions) -> Section:
    section = Section("Results")
    each = max(len(summary["values"]) for c in comparisons.values() for summary in c["systems"].values())
    singly = range(1, each + 1) if 1 < each <= _MOST_SINGLY else ()
    for name, comparison in comparisons.items():
        section.text(f"{_DECODERS[name].capitalize()}:")
        rows = []
        systems = comparison["systems"]
        for system, summary in systems.items():
            sd = "–" if summary["sd"] is None else f"{summary['sd']:.2f}"
            spread = [f"{summary[key]:.2f}" for key in ("median", "minimum", "maximum")]
            setting = comparison["choices"][system]["setting"]
            seeds = str(len(summary["values"]))
            percents = [f"{summary['values'][seed - 1]:.2f}" for seed in singly]
            rows.append([_plain(system, name), f"{summary['mean']:.2f}", sd, *spread, seeds, *percents])
            rows[-1].append(setting if name == "trigram" else _number(_untrained_percent(folder, system, options)))
        lowest = min(float(row[1]) for row in rows)
        best = [i for i, row in enumerate(rows) if float(row[1]) == lowest]
        header = ["system", "mean PER %", "sd", "median", "best", "worst", "seeds", *(f"seed {s}" for s in singly)]
        header.append("setting" if name == "trigram" else "untrained")
        section.table(header, rows, best=best[0] if len(best) == 1 else None)
        rows = []
        for pair in comparison["pairs"]:
            tests = [_p(pair[f"{test}_p_holm"]) for test in ("permutation", "training", "matched_pairs")]
            label = f"{_plain(pair['second'], name)} − {_plain(pair['first'], name)}"
            rows.append([label, *_difference(pair), *tests])
        if rows:
            section.table(["difference", "points", "95 % interval", *_TESTS], rows)
    section.text(
        "Intervals: bootstrap over speakers and paired seeds. Permutation: paired over speakers. Trainings: "
        "permutation of whole trainings between the systems. MAPSSWE: matched pairs of segments between the median "
        "seeds. All p-values have Holm's correction for all pairs."
    )
    for caveat in dict.fromkeys(line for comparison in comparisons.values() for line in comparison.get("caveats", [])):
        section.text(f"{caveat[0].upper()}{caveat[1:]}.")
    return section


def _difference(pair: Mapping[str, Any]) -> list[str]:
    """Points between two systems, and their interval."""
    bootstrap = pair["bootstrap"]
    interval = "–" if bootstrap["low"] is None else f"{bootstrap['low']:+.2f} to {bootstrap['high']:+.2f}"
    return [f"{bootstrap['difference']:+.2f}", interval]


def _gain(folder: Path, systems: Sequence[str]) -> Section:
    """What prefix search with the language model brings each system."""
    section = Section("Language model")
    found = {system: _json(folder / "comparison" / f"search-{system}.json", _COMPARISON) for system in systems}
    found = {system: compared for system, compared in found.items() if compared is not None}
    pairs = [compared["pairs"][0] for compared in found.values()]
    tests = [holm([pair[key] for pair in pairs]) for key in ("permutation_p", "training_p", "matched_pairs_p_holm")]
    rows = []
    for (system, compared), pair, *p_values in zip(found.items(), pairs, *tests, strict=True):
        means = [compared["systems"][f"{system}-{decoder}"]["mean"] for decoder in _DECODERS]
        rows.append([system, *(f"{mean:.2f}" for mean in means), *_difference(pair), *(_p(p) for p in p_values)])
    if rows:
        header = ["system", "greedy", "trigram", "points", "95 % interval", *_TESTS]
        section.table(header, rows)
        section.text("Trigram: prefix search with the language model of the training phones, settings chosen on dev.")
    return section


def _untrained_percent(folder: Path, system: str, options: RecipeOptions) -> float | None:
    """Phone error rate of a system's first model before it was trained, None where that was not decoded."""
    path = folder / "untrained" / f"{_plain(system, 'greedy')}.trn"
    return phone_error_rate(*_transcripts(folder, path, options)).percent if path.exists() else None


def _rates(folder: Path, systems: Sequence[str]) -> Section:
    section = Section("Speaking rate")
    rates: dict[str, dict[float, list[float]]] = {}
    for system in systems:
        scored = _json(folder / "scores" / f"{system}-speed.json", _SCORES)
        for seed in scored or []:
            for row in seed["rates"]:
                if row["group"] == "speaker":
                    rates.setdefault(system, {}).setdefault(float(row["name"]), []).append(_percent(row))
    if not rates:
        return section
    section.text(
        "The same test utterances, slowed and sped up at the same pitch (WSOLA, overlapping pieces of the waveform): "
        "no model was trained on them. A Mellin layer turns a change of rate into a shift; if that earns its keep, its "
        "line rises less to both sides."
    )
    section.picture(draw_rates(rates), "Phone error rate against speaking rate: means as lines, seeds as dots.")
    places = sorted(next(iter(rates.values())))
    rows = [[system, *(f"{statistics.fmean(of[rate]):.1f}" for rate in places)] for system, of in rates.items()]
    section.table(["mean PER %", *(f"{rate:g}" for rate in places)], rows)
    if 1.0 in places:
        rises = [
            [system, *(f"{statistics.fmean(of[rate]) - statistics.fmean(of[1.0]):+.1f}" for rate in places)]
            for system, of in rates.items()
        ]
        section.table(["points above rate 1", *(f"{rate:g}" for rate in places)], rises)
    return section


def _curves(folder: Path, systems: Sequence[str], num_seeds: int) -> Section:
    section = Section("Learning curves")
    histories: dict[str, list[list[dict[str, float]]]] = {}
    for system in systems:
        for seed in range(1, num_seeds + 1):
            path = folder / "models" / system / f"seed{seed}" / "history.csv"
            if path.exists():
                histories.setdefault(system, []).append(_epochs(path))
    if histories:
        section.picture(draw_curves(histories), "A line is a seed.")
    return section


def _groups(folder: Path, systems: Sequence[str], group: str) -> Section:
    section = Section(f"By {group}")
    means: dict[str, dict[str, float]] = {}
    for system in systems:
        percents: dict[str, list[float]] = {}
        for seed in _json(folder / "scores" / f"{system}.json", _SCORES) or []:
            for row in seed["rates"]:
                if row["group"] == group:
                    percents.setdefault(row["name"], []).append(_percent(row))
        if percents:
            means[system] = {name: statistics.fmean(values) for name, values in percents.items()}
    if means:
        section.picture(draw_groups(means, group), "Greedy search, mean over the seeds.")
    return section


def _median_run(folder: Path, comparison: Mapping[str, Any]) -> tuple[str, Path]:
    """The best system and the transcript of its median seed."""
    best = min(comparison["systems"], key=lambda system: comparison["systems"][system]["mean"])
    values = comparison["systems"][best]["values"]
    files = sorted((folder / "systems" / best).glob("*/test.trn"))
    middle = sorted(range(len(values)), key=lambda i: values[i])[(len(values) - 1) // 2]
    return best, files[middle]


def _transcripts(folder: Path, path: Path, options: RecipeOptions) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """References and hypotheses, as they are scored."""
    references = read_trn(folder / "data" / options.feature_names[0] / "ext" / "test.ref.trn")
    hypotheses = read_trn(path)
    if options.corpus_kind == "timit":
        folded = [{name: fold_phones(phones, 39) for name, phones in t.items()} for t in (references, hypotheses)]
        return folded[0], folded[1]
    return references, hypotheses


def _confusions(folder: Path, comparison: Mapping[str, Any], options: RecipeOptions) -> Section:
    section = Section("Confusions")
    best, path = _median_run(folder, comparison)
    scored = phone_error_rate(*_transcripts(folder, path, options))
    phones, counts = scored.confusion_matrix()
    if len(phones) <= 120:
        caption = f"{_plain(best, 'greedy')}, median seed; each row in percent of its phone (colours: square root)."
        section.picture(draw_confusions(phones, counts), caption)
    rows = [[r or "(nothing)", h or "(nothing)", str(count)] for r, h, count in scored.worst_confusions(10)]
    section.table(["said", "recognised", "times"], rows)
    return section


def _example(folder: Path, comparison: Mapping[str, Any], options: RecipeOptions) -> Section:
    from cnn_mellin.data.partition import read_partition
    from cnn_mellin.formats.symbols import read_symbols
    from cnn_mellin.report.figures.utterance import draw_utterance

    section = Section("An utterance")
    best, path = _median_run(folder, comparison)
    references, hypotheses = _transcripts(folder, path, options)
    scored = phone_error_rate(references, hypotheses)
    ranked = sorted(scored.utterances, key=lambda name: (scored.utterances[name].percent, name))
    name = ranked[len(ranked) // 2]
    features = next(f for f in options.feature_names if best == f"{best.split('-')[0]}-{f}-greedy")
    data = folder / "data" / features
    percent = scored.utterances[name].percent
    section.text(f"{name}, of middling difficulty for {_plain(best, 'greedy')}: {percent:.0f} % of its phones wrong.")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "utterance.png"
        symbols = read_symbols(data / "ext")
        draw_utterance(read_partition(data / "test"), name, out, symbols=symbols)
        section.picture(out.read_bytes(), "Its features, and its phones as they were labelled.", kind="png")
    pairs = align(references[name], hypotheses[name])
    lines: tuple[list[str], list[str], list[str]] = (["said"], ["recognised"], [""])
    for said, recognised in pairs:
        cells = (said or "·", recognised or "·", "" if said == recognised else "x")
        width = max(map(len, cells))
        for line, cell in zip(lines, cells, strict=True):
            line.append(cell.ljust(width))
    head = max(len(line[0]) for line in lines)
    text = "\n".join(" ".join([line[0].ljust(head), *line[1:]]).rstrip() for line in lines)
    section.folded("Alignment with what was recognised", text)
    return section


def _search(folder: Path, options: RecipeOptions) -> Section:
    if not options.search:
        return Section("Search")
    url = options.db_url or f"sqlite:///{folder.resolve() / 'search.db'}"
    return search_section(url, study_names(options))


def _reproduction(folder: Path, options: RecipeOptions, systems: Sequence[str]) -> Section:
    section = Section("Settings, versions, commands")
    for system in systems:
        path = folder / "conf" / "final" / f"{system}.ini"
        if path.exists():
            lines = read_lines(path)
            kept = [line for line in lines if line.strip() and not line.startswith("#")]
            section.folded(f"Settings of {system}", "\n".join(kept))
    versions = [[name, _version(name)] for name in _PACKAGES]
    section.table(["package", "version"], [*versions, ["Python", platform.python_version()]])
    partitions = []
    for name in options.feature_names:
        for part in ("train", "dev", "test"):
            about = _json(folder / "data" / name / part / "partition.json", _PARTITION) or {}
            partitions.append([f"{name}/{part}", str(about.get("digest", "–"))[:16]])
    section.table(["data", "fingerprint"], partitions)
    commands = "\n".join(step.command for step in plan_recipe(options, folder))
    section.folded("All commands, each run in the recipe's folder", commands)
    return section


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _json(path: Path, shape: Any) -> Any:
    """Content of a file that a step made, None where there is none."""
    if not path.exists():
        return None
    remedy = "delete it and run the recipe's command again, which makes it anew"
    try:
        content = parse_json(read_text(path), path)
    except DataError as error:
        raise DataError(f"{error}; {remedy}") from None
    fault = shape_fault(content, shape)
    if fault is not None:
        raise DataError(f"{path}: {fault}; {remedy}")
    return content


def _epochs(path: Path) -> list[dict[str, float]]:
    """Numbers of each epoch of a training."""
    lines = read_lines(path)
    rows = list(csv.reader(lines))
    header = rows[0] if rows else []
    if not {entry.name for entry in fields(EpochRecord)} <= set(header):
        raise DataError(f"{path}:1: names no epochs of a training; restore it, or delete it, and its curve is left out")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header) or not all(_is_number(cell) for cell in row):
            raise DataError(
                f"{path}:{number}: {lines[number - 1][:60]!r} is not one number for each of {', '.join(header)[:200]}; "
                "restore it, or delete it, and its curve is left out"
            )
    return [dict(zip(header, map(float, row), strict=True)) for row in rows[1:]]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _percent(row: Mapping[str, Any]) -> float:
    return math.inf if row["percent"] is None else float(row["percent"])


def _plain(system: str, decoder: str) -> str:
    return system.removesuffix(f"-{decoder}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
