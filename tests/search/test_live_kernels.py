import random
from pathlib import Path
from typing import Any

import pytest

from cnn_mellin.config import Settings, read_settings
from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.errors import SettingsError
from cnn_mellin.models.layer_plan import plan_layers
from cnn_mellin.search.live_kernels import FAVOURABLE, has_live_kernels, live_range
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import Dimension, choose_dimensions, nearest_values, sample_values, settings_with
from cnn_mellin.shipped_file import shipped_file

RECIPE = Path(__file__).parents[2] / "conf" / "optim" / "model-mcorr-sm.ini"
BLACKLIST = ["training.*", "data.*", "model.convolutional_mellin"]


class RandomTrial:
    """Samples like Optuna's random sampler."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def suggest_categorical(self, _name: str, choices: Any) -> Any:
        return self._random.choice(choices)

    def suggest_int(self, _name: str, low: int, high: int, *, log: bool = False) -> int:
        assert low <= high
        return self._random.randint(low, high)

    def suggest_float(self, _name: str, low: float, high: float, *, log: bool = False) -> float:
        return self._random.uniform(low, high)


def sampled(dimensions: list[Dimension], start: Settings, seed: int) -> AcousticModelConfig:
    trial: Any = RandomTrial(seed)
    return settings_with(start, sample_values(trial, dimensions, start)).model


def dead_rows(config: AcousticModelConfig, num_coefficients: int = 81) -> list[tuple[int, ...]]:
    return [rows for layer in plan_layers(num_coefficients, config) if (rows := layer.tap_table().dead_rows)]


@pytest.mark.slow
def test_no_mcorr_trial_of_the_recipe_has_a_dead_kernel_row():
    start = read_settings(RECIPE)
    dimensions = choose_dimensions(start, blacklist=BLACKLIST)
    configs = [sampled(dimensions, start, seed) for seed in range(300)]
    assert [config for config in configs if dead_rows(config)] == []
    for name in FAVOURABLE:
        if name != "convolutional_input_dilation":  # not in the recipe's space
            assert len({getattr(config, name) for config in configs}) > 3, name
    before = [Dimension.from_dict({**dimension.as_dict(), "live": False}) for dimension in dimensions]
    assert sum(bool(dead_rows(sampled(before, start, seed))) for seed in range(100)) > 30


def test_the_first_trial_of_the_recipe_has_no_dead_kernel_row():
    start = read_settings(RECIPE)
    values = nearest_values(start, choose_dimensions(start, blacklist=BLACKLIST))
    assert dead_rows(start.model)
    assert not dead_rows(settings_with(start, values).model)


@pytest.mark.slow
@pytest.mark.parametrize(
    "searched",
    [
        ["window_size", "convolutional_kernel_time"],
        ["convolutional_layers", "convolutional_factor_schedule"],
        ["convolutional_time_factor", "convolutional_kernel_time", "convolutional_input_dilation"],
        ["convolutional_layers", "convolutional_input_dilation", "window_size"],
    ],
)
@pytest.mark.parametrize("mellin", [True, "searched"])
def test_any_part_of_the_space_has_live_kernels_if_the_fixed_settings_allow_it(searched, mellin):
    start = Settings().updated({"model": {"convolutional_mellin": bool(mellin), "convolutional_kernel_time": 1}})
    names = [f"model.{name}" for name in searched] + ["model.convolutional_mellin"] * (mellin == "searched")
    dimensions = choose_dimensions(start, whitelist=names)
    configs = [sampled(dimensions, start, seed) for seed in range(50)]
    assert [config for config in configs if config.convolutional_mellin and dead_rows(config)] == []
    for name in searched:
        assert len({getattr(config, name) for config in configs}) > 1, name


@pytest.mark.slow
def test_raw_audio_has_live_kernels():
    start = read_settings(RECIPE)
    dimensions = choose_dimensions(start, blacklist=BLACKLIST, raw=True)
    configs = [sampled(dimensions, start, seed) for seed in range(5)]
    assert [config for config in configs if dead_rows(config, 1)] == []


def test_ranges_end_before_the_first_dead_kernel():
    config = AcousticModelConfig(convolutional_mellin=True, convolutional_layers=2, window_size=4)
    for time_factor in (1, 2):
        config.convolutional_time_factor = time_factor
        low, high = live_range("convolutional_kernel_time", 1, 10, config, {})
        assert low == 1
        for kernel_time in range(1, high + 2):
            config.convolutional_kernel_time = kernel_time
            assert has_live_kernels(config) == (not dead_rows(config)) == (kernel_time <= high)


@pytest.mark.parametrize(
    "changes", [{"convolutional_mellin": False}, {"convolutional_mellin": True, "convolutional_kernel_offset": 2}]
)
def test_other_models_keep_their_ranges(changes):
    start = Settings().updated({"model": changes})
    assert not any(dimension.live for dimension in choose_dimensions(start))
    assert live_range("convolutional_kernel_time", 1, 10, start.model, {}) == (1, 10)


def test_if_no_value_has_live_kernels_the_range_stays():
    config = AcousticModelConfig(convolutional_mellin=True, window_size=2, convolutional_time_factor=4)
    assert live_range("convolutional_kernel_time", 1, 10, config, {}) == (1, 10)


def test_studies_created_before_keep_their_dimensions_and_can_be_created_again():
    start = read_settings(RECIPE)
    new = StudyPlan(start.as_dict(), tuple(choose_dimensions(start, blacklist=BLACKLIST)))
    content = new.as_dict()
    for dimension in content["dimensions"]:
        dimension.pop("live")
    old = StudyPlan.from_dict(content)
    assert not any(dimension.live for dimension in old.dimensions)
    assert any(dimension.live for dimension in new.dimensions)
    assert new.differences(old) == old.differences(new) == []


@pytest.mark.slow
def test_every_linear_model_without_padding_can_be_built():
    start = read_settings(shipped_file("model/demo-lcorr.ini"))
    dimensions = choose_dimensions(start, blacklist=BLACKLIST)
    configs = [sampled(dimensions, start, seed) for seed in range(200)]
    assert all(plan_layers(81, config) for config in configs)
    for name in ("window_size", "convolutional_layers", "convolutional_kernel_time"):
        assert len({getattr(config, name) for config in configs}) > 3, name
    before = [Dimension.from_dict({**dimension.as_dict(), "live": False}) for dimension in dimensions]
    with pytest.raises(SettingsError, match="kernel"):
        _ = [plan_layers(81, sampled(before, start, seed)) for seed in range(200)]
