import json

import pytest

from cnn_mellin.config import Settings
from cnn_mellin.models import AcousticModel
from cnn_mellin.recipe.options import RecipeOptions
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Page
from cnn_mellin.report.sections.systems import systems_section
from cnn_mellin.training.history import EpochRecord, write_history
from cnn_mellin.training.model_folder import ModelDescription, write_description

MODEL = {"window_size": 1, "convolutional_kernel_time": 5, "convolutional_layers": 1, "recurrent_size": 8}


@pytest.fixture
def results(tmp_path) -> RecipeResults:
    for model in ("lcorr", "mcorr"):
        folder = tmp_path / "models" / f"{model}-a" / "seed1"
        folder.mkdir(parents=True)
        settings = {"model": {**MODEL, "convolutional_mellin": model == "mcorr"}}
        full = Settings().updated(settings)
        sections = {"model": vars(full.model), "training": vars(full.training), "data": vars(full.data)}
        write_description(folder, ModelDescription(sections, 1, 10, "a", 10.0, ["t", "d"], "digest", None))
        write_history(folder / "history.csv", [EpochRecord(i, 1e-3, 1.0, 9.0, 0, 0, 9.0, 90.0) for i in (1, 2)])
    machine = {"finished": "2026-03-04T05:06:07+00:00", "device": "cpu", "processor": "Chip 9", "system": "Linux x86"}
    (tmp_path / "models" / "mcorr-a" / "seed1" / "machine.json").write_text(json.dumps(machine))
    return RecipeResults(tmp_path, RecipeOptions(str(tmp_path), "timit", features=("a",), num_seeds=1))


def table(results: RecipeResults) -> dict[str, list[str]]:
    text = Page("", "", [], [systems_section(results)]).markdown()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "corr-a " in line]
    return {row[0]: row[1:] for row in rows}


def test_sizes_time_date_and_machine(results):
    found = table(results)
    model = AcousticModel(10, 3, Settings().updated({"model": {**MODEL, "convolutional_mellin": False}}).model)
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert found["lcorr-a"][0] == f"{weights:,}"
    live = int(found["lcorr-a"][1].replace(",", ""))
    # windows of one frame meet one of five kernel rows
    assert weights - live == 4 * sum(p.numel() for p in model.convs.parameters() if p.dim() > 1) // 5
    assert found["lcorr-a"][2:] == ["3.0", "–", "–"]
    assert found["mcorr-a"][2:] == ["3.0", "2026-03-04", "Chip 9"]


def test_an_accelerator_is_named_before_the_processor(results):
    path = results.folder / "models" / "mcorr-a" / "seed1" / "machine.json"
    path.write_text(path.read_text().replace('"cpu"', '"GPU 7"'))
    assert table(results)["mcorr-a"][-1] == "GPU 7 (Chip 9)"


def test_without_models_the_section_is_empty(tmp_path):
    assert systems_section(RecipeResults(tmp_path, RecipeOptions(str(tmp_path), "timit"))).empty
