"""The plan of a new study, made from the user's arguments and checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cnn_mellin.config.settings import Settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.symbols import class_of_end
from cnn_mellin.search.plan import DEFAULT_NUM_TRIALS, PRUNERS, StudyPlan
from cnn_mellin.search.space import choose_dimensions, nearest_values
from cnn_mellin.search.study_data import StudyData, open_study_data
from cnn_mellin.training.model_folder import current_versions
from cnn_mellin.training.training_data import NO_END

__all__ = ["plan_study", "start_values"]


def plan_study(
    settings: Settings,
    train_dir: str | Path,
    *,
    whitelist: Sequence[str] | None = None,
    blacklist: Sequence[str] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    dev_proportion: float = 0.1,
    num_trials: int = DEFAULT_NUM_TRIALS,
    pruner: str = "hyperband",
    pruner_min_epochs: int | None = None,
    num_data_workers: int = 0,
    mem_limit_bytes: int | None = None,
    device: str = "cpu",
) -> tuple[StudyPlan, StudyData]:
    """The plan of a study on a partition, and the utterances of its trials.

    A warning is logged for each setting that is left out because it cannot matter.

    Args:
        settings: settings at which the search starts; settings that are not searched keep their values.
        train_dir: folder of the partition.
        whitelist, blacklist, ranges: as in `choose_dimensions`.
        dev_proportion: proportion of the utterances that trials are evaluated on; no speaker is on both sides.
        num_trials: number of trials to be finished (completed or pruned).
        pruner: one of `plan.PRUNERS`.
        pruner_min_epochs: number of epochs that each trial trains for before it may be pruned, fewer than trials have;
            None for 1 with hyperband and 3 with median.
        num_data_workers: number of threads that prepare the batches of a training.
        mem_limit_bytes: memory beyond which a training is pruned before it begins; None is no limit.
        device: device on which workers compute by default; this machine need not have it.

    Raises:
        SettingsError, DataError: an argument, a setting or the partition breaks a rule.
    """
    _check_numbers(dev_proportion, num_trials, num_data_workers, mem_limit_bytes)
    _check_pruner(pruner, pruner_min_epochs)
    _check_device(device)
    data = open_study_data(train_dir, dev_proportion, settings.data.subset_ids, settings.data.audio_features)
    for symbol in (settings.data.sos, settings.data.eos):
        class_of_end(symbol, data.symbols)
    raw = data.train.num_coefficients == 1
    dimensions = choose_dimensions(settings, raw=raw, whitelist=whitelist, blacklist=blacklist, ranges=ranges)
    training, searched = settings.training, {dimension.name for dimension in dimensions}
    ends = training.num_epochs is not None or training.early_stopping_threshold
    if not ends and not searched & {"training.num_epochs", "training.early_stopping_threshold"}:
        raise SettingsError(NO_END)
    plan = StudyPlan(
        settings=settings.as_dict(),
        dimensions=tuple(dimensions),
        num_trials=num_trials,
        pruner=pruner,
        pruner_min_epochs=pruner_min_epochs,
        train_dir=str(Path(train_dir).resolve()),
        train_digest=data.digest,
        dev_proportion=dev_proportion,
        num_data_workers=num_data_workers,
        mem_limit_bytes=mem_limit_bytes,
        device=device,
        versions=current_versions(),
    )
    if pruner_min_epochs is not None and plan.max_epochs is not None and pruner_min_epochs >= plan.max_epochs:
        given = f"pruner_min_epochs {pruner_min_epochs}"
        raise SettingsError(f"{given}: must be less than training.num_epochs ({plan.max_epochs}); lower it")
    return plan, data


def start_values(plan: StudyPlan) -> dict[str, Any]:
    """Hyperparameters of the first trial: the settings at which the search starts, moved into its ranges."""
    return nearest_values(plan.start(), plan.dimensions)


def _check_numbers(dev_proportion: float, num_trials: int, num_data_workers: int, mem_limit_bytes: int | None) -> None:
    if not 0 < dev_proportion < 1:
        raise SettingsError(f"dev_proportion {dev_proportion}: must lie between 0 and 1, such as 0.1")
    if num_trials < 1:
        raise SettingsError(f"num_trials {num_trials}: must be at least 1")
    if num_data_workers < 0:
        raise SettingsError(f"num_data_workers {num_data_workers}: must be 0 or more")
    if mem_limit_bytes is not None and mem_limit_bytes < 1:
        raise SettingsError(f"mem_limit_bytes {mem_limit_bytes}: must be at least 1; leave it out for no limit")


def _check_pruner(pruner: str, min_epochs: int | None) -> None:
    if pruner not in PRUNERS:
        raise SettingsError(f"pruner {pruner}: must be one of {', '.join(PRUNERS)}")
    if min_epochs is not None and pruner == "none":
        raise SettingsError(f"pruner_min_epochs {min_epochs}: pruner none ends no trial early; leave it out")
    if min_epochs is not None and min_epochs < 1:
        raise SettingsError(f"pruner_min_epochs {min_epochs}: must be at least 1")


def _check_device(device: str) -> None:
    try:
        torch.device(device)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise SettingsError(f"device {device}: is not a device ({reason}); try cpu or cuda") from None
