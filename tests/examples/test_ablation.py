import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cnn_mellin.config import read_settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.shipped_file import shipped_file


@pytest.fixture(scope="module")
def ablation() -> ModuleType:
    return importlib.import_module("ablation")


@pytest.fixture
def data(tmp_path) -> Path:
    """A data directory of ten tiny utterances per partition."""
    generator = np.random.default_rng(1)
    ext = tmp_path / "data" / "ext"
    ext.mkdir(parents=True)
    (ext / "token2id.txt").write_text("a 0\nb 1\n")
    speakers = []
    for part in ("train", "dev", "test"):
        with write_partition(tmp_path / "data" / part, PartitionDescription(num_coefficients=81)) as writer:
            for number in range(10):
                name = f"{part}{number}"
                speakers.append(f"{name} {part}{number % 2}\n")
                writer.add(name, generator.random((60, 81)), [0, 1])
    (ext / "utt2spk").write_text("".join(speakers))
    return tmp_path / "data"


def test_every_change_changes_the_settings_and_keeps_seed_and_epochs(ablation):
    settings = read_settings(shipped_file(ablation.SETTINGS))
    seen = []
    for change in ablation.CHANGES:
        changed = ablation.changed(settings, change, seed=7, epochs=3)
        assert (changed.model.seed, changed.training.seed, changed.training.num_epochs) == (7, 7, 3)
        assert changed not in seen
        seen.append(changed)


@pytest.mark.soak
def test_a_second_run_trains_nothing_and_reports_the_same(ablation, data, tmp_path, capsys):
    command = [str(data), str(tmp_path / "out"), "--seeds", "2", "--epochs", "1", "--changes", "averaged weights"]
    ablation.main(command)
    text = (tmp_path / "out" / "ablation.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith(("| as they are", "| averaged weights"))]
    assert len(rows) == 2
    assert (tmp_path / "out" / "ablation.png").stat().st_size > 5000
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.pt")}
    assert len(made) >= 4
    ablation.main(command)
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.pt")}
    assert (tmp_path / "out" / "ablation.md").read_text() == text


def test_seeds_that_never_leave_the_plateau_are_last(ablation):
    def result(seed: int, *dev: float) -> dict[str, object]:
        counts = {part: {"x": [5, 10], "y": [5 + seed, 10]} for part in ("dev", "test")}
        return {"seed": seed, "counts": counts, "dev_by_epoch": dev, "weights": 1000, "processor_minutes": 1.0}

    found = {"as they are": [result(1, 100.0, 95.0), result(2, 99.0, 80.0)]}
    assert " 2 never |" in "\n".join(ablation.report(found, {}, 2))
