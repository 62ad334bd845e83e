"""The section on convolutional layers counts what the models' own modules hold."""

import json
from pathlib import Path

import pytest
import torch

from cnn_mellin.config import Settings, format_settings
from cnn_mellin.models import AcousticModel
from cnn_mellin.models.layer_summary import summarize_layers
from cnn_mellin.recipe.options import RecipeOptions
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Page
from cnn_mellin.report.sections.layers import layers_section

MODEL = {"convolutional_layers": 2, "window_size": 5, "window_stride": 2, "convolutional_kernel_time": 6}
MODEL |= {"convolutional_initial_channels": 4, "convolutional_kernel_freq": 3, "recurrent_size": 8}


@pytest.fixture
def results(tmp_path) -> RecipeResults:
    (tmp_path / "conf" / "final").mkdir(parents=True)
    for model in ("lcorr", "mcorr"):
        settings = Settings().updated({"model": {**MODEL, "convolutional_mellin": model == "mcorr"}})
        (tmp_path / "conf" / "final" / f"{model}-a.ini").write_text(format_settings(settings))
    partition = tmp_path / "data" / "a" / "train" / "partition.json"
    partition.parent.mkdir(parents=True)
    partition.write_text(json.dumps({"num_coefficients": 10}))
    return RecipeResults(tmp_path, RecipeOptions(str(tmp_path), "timit", features=("a",)))


def table(results: RecipeResults) -> tuple[dict[str, list[str]], list[str]]:
    """Cells of each system, and the sentences below the table."""
    _, rows, *sentences = Page("", "", [], [layers_section(results)]).markdown().split("## ")[1].strip().split("\n\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in rows.splitlines()[2:]]
    return {row[0]: row[1:] for row in cells}, sentences


def test_weights_are_those_of_the_model_and_multiply_adds_those_of_its_products(results):
    found, sentences = table(results)
    for model in ("lcorr", "mcorr"):
        settings = Settings().updated({"model": {**MODEL, "convolutional_mellin": model == "mcorr"}})
        convs = AcousticModel(10, 3, settings.model).convs
        num_layers, weights, live, multiply_adds = (cell.replace(",", "") for cell in found[f"{model}-a"])
        assert int(num_layers) == 2
        assert int(weights) == sum(p.numel() for p in convs.parameters())
        dead = [int(line.split(": ")[1].split()[0]) for line in sentences if line.startswith(f"{model}-a")]
        assert (int(live) < int(weights)) == bool(sum(dead))
        assert int(multiply_adds) > 0
    assert found["lcorr-a"] != found["mcorr-a"]


def test_the_numbers_of_a_model_counted_by_hand(results):
    settings = {**MODEL, "convolutional_layers": 1, "convolutional_kernel_time": 3, "convolutional_factor_schedule": 2}
    path = results.folder / "conf" / "final" / "lcorr-a.ini"
    path.write_text(format_settings(Settings().updated({"model": {**settings, "convolutional_mellin": False}})))
    found, _ = table(results)
    # 4 channels of a 3 x 3 kernel and a bias; 5 output frames, of which the first and last meet 2 rows of the kernel;
    # 13 products of rows, each of 3 weights, 4 channels and 10 coefficients; a window every 2 frames.
    assert found["lcorr-a"] == ["1", "40", "40", f"{13 * 3 * 4 * 10 // 2:,}"]


def test_a_local_branch_and_attention_count(results):
    changes = {
        "convolutional_layers": 1,
        "convolutional_kernel_time": 3,
        "convolutional_factor_schedule": 2,
        "convolutional_freq_factor": 2,
        "convolutional_mellin": False,
        "window_pooling": "attention",
        "local_branch_channels": 2,
    }
    config = Settings().updated({"model": {**MODEL, **changes}}).model
    path = results.folder / "conf" / "final" / "lcorr-a.ini"
    path.write_text(format_settings(Settings(model=config)))
    found, _ = table(results)
    model = AcousticModel(10, 3, config)
    assert model.local_branch is not None
    assert model.attention is not None
    weights = sum(p.numel() for part in (model.convs, model.local_branch, model.attention) for p in part.parameters())
    # The layer as above; the branch has 3 products of rows with 3 weights, 2 channels and 5 coefficients; attention
    # scores and weights 4 channels of 10 coefficients in 5 frames.
    multiply_adds = 13 * 3 * 4 * 10 + 3 * 3 * 2 * 5 + 2 * 4 * 10 * 5
    assert weights == 40 + 2 * (1 + 9) + 40
    assert found["lcorr-a"] == ["1 and a local branch", str(weights), str(weights), f"{multiply_adds / 2:,.0f}"]
    summary = summarize_layers(10, config)
    assert (summary.num_weights, summary.num_live_weights) == (weights, weights)
    assert summary.multiply_adds_per_frame == multiply_adds / 2


def test_dead_kernel_rows_are_named_and_their_weights_do_not_learn(results):
    settings = {**MODEL, "convolutional_layers": 1, "window_size": 1, "convolutional_mellin": False}
    path = results.folder / "conf" / "final" / "lcorr-a.ini"
    path.write_text(format_settings(Settings().updated({"model": settings})))
    found, sentences = table(results)
    layer = AcousticModel(10, 3, Settings().updated({"model": settings}).model).convs[0]
    layer(torch.randn(2, 1, 1, 10)).square().sum().backward()
    live = sum(int((p.grad != 0).sum()) for p in layer.parameters() if p.grad is not None)
    assert found["lcorr-a"][2] == str(live)
    dead = [line for line in sentences if line.startswith("lcorr-a: ")]
    rows = (int(found["lcorr-a"][1]) - live) // (4 * 3)
    assert dead == [f"lcorr-a: {rows} of 6 kernel rows of layer 1 meet no frame and never learn."]


def test_without_settings_or_data_the_section_is_empty(results):
    for path in Path(results.folder).glob("conf/final/*"):
        path.unlink()
    assert layers_section(results).empty
