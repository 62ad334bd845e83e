from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.launched_process import LaunchedProcess
from cnn_mellin.search.early_end import HandBack, Pruned
from cnn_mellin.search.memory_guard import can_measure_memory
from cnn_mellin.search.new_study import plan_study
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.study_data import StudyData
from cnn_mellin.search.trial_training import TrialTraining
from cnn_mellin.training.process_group import ProcessGroup

SECTIONS: dict[str, dict[str, Any]] = {
    "model": {"recurrent_size": 4, "recurrent_layers": 1, "convolutional_layers": 0},
    "training": {"num_epochs": 4},
    "data": {"batch_size": 4},
}


class Trial:
    """A trial as an objective sees it, without a database."""

    def __init__(self, settings: Settings, *, stop_after: int = 99, prune_at: int = 99) -> None:
        self.number, self.settings, self.reported = 3, settings, list[tuple[int, float, bool]]()
        self._stop_after, self._prune_at = stop_after, prune_at

    def report(self, step: int, value: float, *, may_prune: bool = True) -> None:
        self.reported.append((step, value, may_prune))
        if may_prune and step >= self._prune_at:
            raise Pruned("behind")

    def should_stop(self) -> bool:
        return len(self.reported) >= self._stop_after


@pytest.fixture
def study(tmp_path) -> tuple[StudyPlan, StudyData]:
    write_symbols(tmp_path / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    with write_partition(tmp_path / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        for i in range(12):
            writer.add(f"u{i:02d}", stream.uniform(0, 5, (30, 4)), [0, 1])
    return plan_study(Settings().updated(SECTIONS), tmp_path / "train", whitelist=["model.window_size"])


def training(study: tuple[StudyPlan, StudyData], folder: Path | None) -> TrialTraining:
    return TrialTraining("a study", study[0], study[1], model_dir=folder)


def test_the_value_is_the_lowest_dev_per_and_each_epoch_is_reported(study, tmp_path):
    trial: Any = Trial(study[0].start())
    value = training(study, tmp_path / "m")(trial)
    assert [step for step, _, _ in trial.reported] == [1, 2, 3, 4]
    assert value == min(per for _, per, _ in trial.reported)
    assert [may for _, _, may in trial.reported] == [
        True,
        True,
        True,
        False,
    ]  # pruning after the last epoch would save nothing
    assert (tmp_path / "m" / "a_study" / "trial_0003" / "history.csv").exists()


def test_another_worker_resumes_from_the_last_checkpoint_and_reports_earlier_epochs_again(study, tmp_path):
    whole: Any = Trial(study[0].start())
    value = training(study, tmp_path / "whole")(whole)
    first: Any = Trial(study[0].start(), stop_after=2)
    with pytest.raises(HandBack, match="told to stop"):
        training(study, tmp_path / "m")(first)
    second: Any = Trial(study[0].start())
    assert training(study, tmp_path / "m")(second) == value
    assert [(step, per) for step, per, _ in second.reported] == [(step, per) for step, per, _ in whole.reported]
    assert [may for _, _, may in second.reported] == [False, False, True, False]


def test_all_epochs_of_a_finished_training_are_reported(study, tmp_path):
    first: Any = Trial(study[0].start())
    second: Any = Trial(study[0].start())
    assert training(study, tmp_path / "m")(first) == training(study, tmp_path / "m")(second)
    assert [pair[:2] for pair in second.reported] == [pair[:2] for pair in first.reported]


def test_a_pruned_training_ends(study, tmp_path):
    trial: Any = Trial(study[0].start(), prune_at=2)
    with pytest.raises(Pruned, match="behind"):
        training(study, tmp_path / "m")(trial)
    assert len(trial.reported) == 2


def test_a_training_with_other_settings_restarts(study, tmp_path, caplog):
    training(study, tmp_path / "m")(_trial(study[0].start()))
    other = study[0].start().updated({"model": {"window_size": 7}})
    objective = TrialTraining("a study", study[0], study[1], model_dir=tmp_path / "m")
    trial = _trial(other)
    objective(trial)
    assert [step for step, _, _ in trial.reported] == [1, 2, 3, 4]
    assert any("trial 3: restarts, as" in line and "window_size" in line for line in caplog.messages)


def test_studies_with_similar_names_have_separate_folders_and_one_trial_is_discarded(study, tmp_path):
    for name in ("a+b", "a_b"):
        objective = TrialTraining(name, study[0], study[1], model_dir=tmp_path / "m")
        objective(_trial(study[0].start()))
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["a+b", "a_b"]
    objective.discard(3)
    assert list((tmp_path / "m" / "a_b").iterdir()) == []
    assert [path.name for path in (tmp_path / "m" / "a+b").iterdir()] == ["trial_0003"]


def test_without_a_model_folder_no_file_is_left(study, tmp_path, monkeypatch):
    (tmp_path / "t").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    training(study, None)(_trial(study[0].start()))
    assert list((tmp_path / "t").iterdir()) == []


def test_seeds_come_from_the_study_or_else_from_the_trial(study):
    plan, data = study
    objective = TrialTraining("a study", plan, data)
    seeds = [objective.settings_of(_trial(plan.start())).training.seed for _ in range(2)]
    assert seeds[0] == seeds[1] is not None
    other = TrialTraining("another", plan, data).settings_of(_trial(plan.start())).model.seed
    assert other != seeds[0]
    fixed = objective.settings_of(_trial(plan.start().updated({"model": {"seed": 5}})))
    assert (fixed.model.seed, fixed.training.seed) == (5, seeds[0])


def test_a_subset_is_split_once(study, tmp_path):
    settings = Settings().updated(
        {**SECTIONS, "data": {"batch_size": 2, "subset_ids": [f"u{i:02d}" for i in range(6)]}}
    )
    plan, data = plan_study(settings, tmp_path / "train", whitelist=["model.window_size"])
    assert len(data.train) + len(data.dev) == 6
    trial = _trial(plan.start())
    TrialTraining("subset", replace(plan, num_data_workers=1), data)(trial)
    assert len(trial.reported) == 4


@pytest.mark.skipif(not can_measure_memory(torch.device("cpu")), reason="this system measures no memory")
@pytest.mark.parametrize("sizes", [{"batch_size": 4}, {"max_batch_seconds": 1.2}])
@pytest.mark.parametrize(("processes", "share"), [(1, 4), (3, 2)])
def test_the_memory_limit_holds_for_the_share_of_each_process(study, sizes, processes, share):
    start = study[0].start().updated({"data": sizes})
    plan = replace(study[0], mem_limit_bytes=2**10)
    group = ProcessGroup(LaunchedProcess(size=processes))
    with pytest.raises(Pruned, match=f"of {share} utterances"):
        TrialTraining("a study", plan, study[1], group=group)(_trial(start))


def _trial(settings: Settings) -> Any:
    return Trial(settings)
