"""Section on the convolutional layers: their weights, the weights that can learn, and their multiply-adds."""

from __future__ import annotations

from cnn_mellin.config import read_settings
from cnn_mellin.models.layer_plan import LayerPlan, plan_front_end
from cnn_mellin.report.recipe_results import RecipeResults, read_product
from cnn_mellin.report.report_page import Section

__all__ = ["layers_section"]

_PARTITION = {"num_coefficients": int}


def layers_section(results: RecipeResults) -> Section:
    """Table of the convolutional layers of each system, and a sentence on each layer with dead kernel rows."""
    section = Section("Convolutional layers")
    rows, sentences = [], []
    for features in results.options.feature_names:
        partition = read_product(results.folder / "data" / features / "train" / "partition.json", _PARTITION)
        for model in results.options.models:
            system = f"{model}-{features}"
            path = results.folder / "conf" / "final" / f"{system}.ini"
            if partition is None or not path.exists():
                continue
            config = read_settings(path).model
            plan = plan_front_end(partition["num_coefficients"], config)
            per_frame, layers = plan.multiply_adds / config.window_stride, plan.layers
            branch = " and a local branch" if plan.local_branch else ""
            weights = f"{plan.num_weights:,}", f"{plan.num_live_weights:,}"
            rows.append([system, f"{len(layers)}{branch}", *weights, f"{round(per_frame):,}"])
            sentences += [f"{system}: {line}" for line in map(_dead_rows, range(1, len(layers) + 1), layers) if line]
    if rows:
        header = ["system", "layers", "weights", "weights that can learn", "multiply-adds per frame"]
        section.table(header, rows)
    for sentence in sentences:
        section.text(sentence)
    return section


def _dead_rows(number: int, layer: LayerPlan) -> str:
    """Sentence on the kernel rows of a layer that meet no frame; empty where there are none."""
    dead = len(layer.tap_table().dead_rows)
    if not dead:
        return ""
    verbs = "meets no frame and never learns" if dead == 1 else "meet no frame and never learn"
    return f"{dead} of {layer.kernel[0]} kernel rows of layer {number} {verbs}."
