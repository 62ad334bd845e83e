"""Section on the phone error rates of all systems, and the significance of their differences."""

from __future__ import annotations

from cnn_mellin.report.leader import significant_leader
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.report.table_cells import TEST_HEADERS, difference_cells, number_cell, p_value_cell, system_name
from cnn_mellin.scoring.phone_error_rate import phone_error_rate

__all__ = ["results_section"]

# With more seeds than this, the table has no column per seed.
_MOST_SEED_COLUMNS = 5


def results_section(results: RecipeResults) -> Section:
    """Tables of phone error rates and of their differences, per decoder."""
    section, comparisons = Section("Results"), results.comparisons
    num_seeds = max(len(summary["values"]) for c in comparisons.values() for summary in c["systems"].values())
    seeds = range(1, num_seeds + 1) if 1 < num_seeds <= _MOST_SEED_COLUMNS else ()
    for name, comparison in comparisons.items():
        section.text(f"{results.decoders[name].capitalize()}:")
        rows = []
        for system, summary in comparison["systems"].items():
            sd = "–" if summary["sd"] is None else f"{summary['sd']:.2f}"
            spread = [f"{summary[key]:.2f}" for key in ("median", "minimum", "maximum")]
            count = str(len(summary["values"]))
            percents = [f"{summary['values'][seed - 1]:.2f}" for seed in seeds]
            last = comparison["choices"][system]["setting"]
            if name != "trigram":
                last = number_cell(_untrained_percent(results, system_name(system, "greedy")))
            rows.append([system_name(system, name), f"{summary['mean']:.2f}", sd, *spread, count, *percents, last])
        leader = significant_leader(comparison)
        best = None if leader is None else list(comparison["systems"]).index(leader)
        header = ["system", "mean PER %", "sd", "median", "best", "worst", "seeds", *(f"seed {s}" for s in seeds)]
        header.append("setting" if name == "trigram" else "untrained")
        section.table(header, rows, best=best)
        tried = {len(choice.get("percent") or ()) for choice in comparison["choices"].values()}
        if name == "trigram" and max(tried, default=0) > 1:
            section.text(
                f"Setting: the best of {max(tried)} on dev, by the mean over the seeds. beam: number of prefixes; lm: "
                "weight of the language model; bonus: insertion bonus per phone; blank: bias of the blank. Options "
                "that are 0 are left out."
            )
        rows = []
        for pair in comparison["pairs"]:
            tests = [p_value_cell(pair[f"{test}_p_holm"]) for test in ("permutation", "training", "matched_pairs")]
            label = f"{system_name(pair['second'], name)} − {system_name(pair['first'], name)}"
            rows.append([label, *difference_cells(pair), *tests])
        if rows:
            section.table(["difference", "points", "95 % interval", *TEST_HEADERS], rows)
    section.text(
        "Intervals: bootstrap over speakers and paired seeds. Permutation: paired over speakers. Trainings: "
        "permutation of whole trainings between the systems. MAPSSWE: matched pairs of segments between the median "
        "seeds. All p-values have Holm's correction for all pairs."
    )
    for caveat in dict.fromkeys(line for comparison in comparisons.values() for line in comparison.get("caveats", [])):
        section.text(f"{caveat[0].upper()}{caveat[1:]}.")
    return section


def _untrained_percent(results: RecipeResults, system: str) -> float | None:
    """Phone error rate of a system's first model before training, None where it was not decoded."""
    path = results.folder / "untrained" / f"{system}.trn"
    return phone_error_rate(*results.transcripts(path)).percent if path.exists() else None
