from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.recipe.options import RecipeOptions, tiny_sizes
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Page
from cnn_mellin.report.sections.data import data_section


@pytest.fixture
def results(tmp_path) -> RecipeResults:
    options = RecipeOptions("corpus", "table", (), ("toy",), num_seeds=1, sizes=tiny_sizes())
    return RecipeResults(tmp_path, options)


def write(folder: Path, ids: tuple[str, ...] = ("a",), **source: object) -> None:
    description = PartitionDescription(2, 10.0, "toy", {"corpus": "", **source})
    with write_partition(folder, description) as writer:
        for name in ids:
            writer.add(name, np.zeros((36000, 2)), [1, 2])


def test_partitions_are_counted_and_what_was_left_out_is_named(results):
    write(results.folder / "data" / "toy" / "train", left_out={"b": "is empty", "c": "is cut short"})
    write(results.folder / "data" / "toy" / "test", sample_rates_hz={"8000": 1}, conversion={"resample": "scipy"})
    text = Page("", "", [], [data_section(results)]).markdown()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["partition", "utterances", "hours", "symbols", "left out", "sample rates before"]
    assert rows[2:] == [["toy/train", "1", "0.10", "2", "2", "–"], ["toy/test", "1", "0.10", "2", "0", "8000 Hz: 1"]]
    assert "2 utterances were left out because they cannot be used." in text
    assert "train b: is empty\ntrain c: is cut short" in text


def test_copies_at_other_speeds_are_counted(results):
    write(results.folder / "data" / "toy" / "train", ("a", "a_speed0.9"), speeds={"speeds": [0.9, 1.1]})
    text = Page("", "", [], [data_section(results)]).markdown()
    assert "toy/train: 1 of 2 utterances are copies at other speeds." in text


def test_without_data_there_is_no_section(results):
    assert data_section(results).empty
    assert data_section(replace(results, folder=results.folder / "none")).empty
