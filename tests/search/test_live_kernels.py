import hashlib
import itertools
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnn_mellin.config import Settings, read_settings
from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.errors import SettingsError
from cnn_mellin.models.layer_plan import plan_layers
from cnn_mellin.ops.tap_table import mellin_most_ratios, mellin_num_dead_rows, mellin_tap_table
from cnn_mellin.search.live_kernels import (
    FAVOURABLE,
    SAMPLED_SETTINGS,
    best_case,
    can_live,
    has_live_kernels,
    kernel_range,
    live_range,
)
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


def faulty(config: AcousticModelConfig, num_coefficients: int = 81) -> bool:
    """Whether a Mellin layer has a dead row, or no output that compares three ratios."""
    tables = [layer.tap_table() for layer in plan_layers(num_coefficients, config) if layer.mellin]
    return any(table.dead_rows or table.most_ratios < 3 for table in tables)


TINY = [*BLACKLIST, "model.recurrent_.*", "model.convolutional_(layers|initial_channels|channel_factor)"]
MELLIN = "model.convolutional_mellin"
SEARCHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the recipe's": ({}, {"blacklist": BLACKLIST}),
    "the tiny recipe's": ({"from": "model/fast-mcorr.ini"}, {"blacklist": [*TINY, "model.window_stride"]}),
    "a fixed offset": ({"convolutional_kernel_offset": 3}, {"blacklist": BLACKLIST}),
    "a fixed offset and dilation": (
        {"convolutional_kernel_offset": 4, "convolutional_input_dilation": 3},
        {"blacklist": BLACKLIST},
    ),
    "a fixed kernel": (
        {"convolutional_kernel_time": 7},
        {"blacklist": [*BLACKLIST, "model.convolutional_kernel_time"]},
    ),
    "a fixed window": (
        {"window_size": 6, "convolutional_kernel_offset": 2},
        {"blacklist": [*BLACKLIST, "model.window_size"]},
    ),
    "all that ratios depend on": ({}, {"whitelist": [f"model.{name}" for name in SAMPLED_SETTINGS]}),
    "both kinds of layers": ({}, {"whitelist": [*(f"model.{name}" for name in SAMPLED_SETTINGS), MELLIN]}),
}


@pytest.mark.slow
@pytest.mark.parametrize("search", SEARCHES)
def test_no_sampled_mellin_model_has_a_dead_kernel_row_or_fewer_than_three_ratios(search):
    changes, lists = SEARCHES[search]
    changes = dict(changes)
    start = read_settings(shipped_file(changes.pop("from"))) if "from" in changes else Settings()
    start = start.updated({"model": {"convolutional_mellin": True, **changes}})
    dimensions = choose_dimensions(start, **lists)
    configs = [sampled(dimensions, start, seed) for seed in range(500)]
    assert [config for config in configs if faulty(config)] == []
    assert configs[:20] == [sampled(dimensions, start, seed) for seed in range(20)]
    searched = {dimension.name for dimension in dimensions if dimension.kernels != "any"}
    for name in ("window_size", "convolutional_kernel_time"):
        if f"model.{name}" in searched:
            assert len({getattr(config, name) for config in configs}) > 2, name
    without = [Dimension.from_dict({**dimension.as_dict(), "kernels": "any"}) for dimension in dimensions]
    with_faults = 0
    for seed in range(100):
        try:
            with_faults += faulty(sampled(without, start, seed))
        except SettingsError:
            with_faults += 1
    assert with_faults > 20


@pytest.mark.slow
def test_no_mcorr_trial_of_the_recipe_has_a_dead_kernel_row():
    start = read_settings(RECIPE)
    dimensions = choose_dimensions(start, blacklist=BLACKLIST)
    configs = [sampled(dimensions, start, seed) for seed in range(300)]
    assert [config for config in configs if dead_rows(config)] == []
    for name in SAMPLED_SETTINGS:
        if f"model.{name}" in {dimension.name for dimension in dimensions}:
            assert len({getattr(config, name) for config in configs}) > 3, name
    before = [Dimension.from_dict({**dimension.as_dict(), "kernels": "any"}) for dimension in dimensions]
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
    fixed = {"convolutional_kernel_time": 1, "window_size": 10, "convolutional_layers": 3}
    start = Settings().updated({"model": {"convolutional_mellin": bool(mellin), **fixed}})
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


def test_padded_linear_models_keep_their_ranges():
    start = Settings()
    assert {dimension.kernels for dimension in choose_dimensions(start)} == {"any"}
    assert live_range("convolutional_kernel_time", 1, 10, start.model, {}) == (1, 10)
    assert kernel_range("three ratios", "convolutional_kernel_time", 1, 10, start.model, {}) == (1, 10)


def test_if_no_value_has_live_kernels_the_range_stays():
    config = AcousticModelConfig(convolutional_mellin=True, window_size=2, convolutional_time_factor=4)
    assert live_range("convolutional_kernel_time", 1, 10, config, {}) == (1, 10)
    assert kernel_range("three ratios", "convolutional_kernel_time", 1, 10, config, {}) == (1, 10)


def test_a_search_without_live_kernels_is_refused_with_a_remedy():
    changes = {"convolutional_mellin": True, "convolutional_kernel_offset": 8, "convolutional_kernel_time": 6}
    start = Settings().updated({"model": changes})
    message = (
        "search of model.window_size: no model in these ranges has kernels that live; even at the most favourable "
        r"ends, \[model\] .* kernel rows of layer.* meet no frame.*: take .*; or search these settings, too"
    )
    with pytest.raises(SettingsError, match=message) as raised:
        choose_dimensions(start.updated({"model": {"convolutional_layers": 1}}), whitelist=["model.window_size"])
    assert "\n" not in str(raised.value)
    with pytest.raises(
        SettingsError, match="kernels that live.*input of a layer has 1 frames; it must be at most that"
    ):
        choose_dimensions(start, whitelist=["model.window_size"])
    linear = Settings().updated({"model": {"convolutional_time_padding": False, "convolutional_kernel_time": 12}})
    with pytest.raises(SettingsError, match="kernels that live.*convolutional_kernel_time is 12"):
        choose_dimensions(linear, whitelist=["model.window_size"])
    # Nothing that matters is searched: the settings are as the user wants them.
    dead = start.updated({"model": {"window_size": 2, "convolutional_layers": 1}})
    assert choose_dimensions(dead, whitelist=["model.window_stride"])


def test_kernels_of_two_rows_live_but_compare_no_three_ratios():
    changes = {"convolutional_mellin": True, "convolutional_kernel_time": 2, "convolutional_layers": 1}
    (dimension,) = choose_dimensions(Settings().updated({"model": changes}), whitelist=["model.window_size"])
    assert dimension.kernels == "live"
    assert str(dimension).endswith("as far as no Mellin kernel row is dead")


def test_the_first_trial_samples_what_depends_on_an_unset_offset():
    start = Settings().updated({"model": {"convolutional_mellin": True}})
    names = [f"model.{name}" for name in SAMPLED_SETTINGS]
    dimensions = choose_dimensions(start, whitelist=names)
    assert [dimension.name for dimension in dimensions] == names
    assert list(nearest_values(start, dimensions)) == names[:3]


def test_counts_of_rows_and_ratios_equal_those_of_tables():
    rng = random.Random(0)
    for _ in range(500):
        frames, rows, offset, dilation, outputs = (rng.randint(1, most) for most in (14, 10, 8, 6, 14))
        table = mellin_tap_table(frames, rows, kernel_offset=offset, input_dilation=dilation, output_length=outputs)
        sizes = frames, rows, offset, dilation, outputs
        assert mellin_num_dead_rows(*sizes) == len(table.dead_rows), sizes
        assert max(mellin_most_ratios(*sizes), 0) == table.most_ratios, sizes


@pytest.mark.slow
def test_a_range_is_what_trying_all_models_finds():
    rng = random.Random(1)
    most = {
        "window_size": 7,
        "convolutional_layers": 3,
        "convolutional_factor_schedule": 4,
        "convolutional_kernel_offset": 3,
        "convolutional_input_dilation": 3,
        "convolutional_time_factor": 3,
        "convolutional_kernel_time": 5,
    }
    found = 0
    for _ in range(60):
        changes: dict[str, Any] = {name: rng.randint(1, high) for name, high in most.items()}
        changes |= {"convolutional_mellin": rng.random() < 0.8, "convolutional_time_padding": False}
        config = AcousticModelConfig(**changes)
        if rng.random() < 0.5:
            config.convolutional_kernel_offset = None
        chosen = rng.sample(SAMPLED_SETTINGS, 3)
        ranges = {name: (rng.randint(1, 2), most[name]) for name in SAMPLED_SETTINGS if name in chosen}
        first, *others = ranges

        def lives(value: int, config: AcousticModelConfig = config, ranges: Any = ranges) -> bool:
            name, *rest = ranges
            for values in itertools.product(*(range(ranges[other][0], ranges[other][1] + 1) for other in rest)):
                changed = replace(config, **{name: value, **dict(zip(rest, values, strict=True))})
                try:
                    if not faulty(changed):
                        return True
                except SettingsError:
                    continue
            return False

        expected = [value for value in range(ranges[first][0], ranges[first][1] + 1) if lives(value)]
        assert can_live("three ratios", config, ranges) == bool(expected)
        low, high = kernel_range("three ratios", first, *ranges[first], config, {name: ranges[name] for name in others})
        assert not expected or set(range(low, high + 1)) <= set(expected)
        assert not expected or high - low + 1 >= len(expected) / 2
        found += bool(expected)
    assert found > 20


def test_the_most_favourable_model_has_the_longest_window():
    config = best_case(AcousticModelConfig(), {"window_size": (2, 9), "convolutional_kernel_time": (3, 8)})
    assert (config.window_size, config.convolutional_kernel_time) == (9, 3)


def test_studies_created_before_keep_their_dimensions_and_can_be_created_again():
    start = read_settings(RECIPE)
    new = StudyPlan(start.as_dict(), tuple(choose_dimensions(start, blacklist=BLACKLIST)))
    content = new.as_dict()
    for dimension in content["dimensions"]:
        dimension.pop("live")
        dimension.pop("kernels")
    content["settings"]["model"].pop("local_branch_channels")
    old = StudyPlan.from_dict(content)
    assert {dimension.kernels for dimension in old.dimensions} == {"any"}
    assert {dimension.kernels for dimension in new.dimensions} == {"any", "three ratios"}
    assert new.differences(old) == old.differences(new) == []
    for dimension in content["dimensions"]:  # as the version before wrote them
        dimension["live"] = dimension["name"].partition(".")[2] in FAVOURABLE
    old = StudyPlan.from_dict(content)
    assert new.differences(old) == old.differences(new) == []
    trials: list[Any] = [RandomTrial(seed) for seed in range(40)]
    drawn = json.dumps([sample_values(trial, old.dimensions, start) for trial in trials], sort_keys=True)
    # the digest of what that version drew
    assert hashlib.sha256(drawn.encode()).hexdigest()[:16] == "0d5ab0eacbda462f"


@pytest.mark.slow
def test_every_linear_model_without_padding_can_be_built():
    start = read_settings(shipped_file("model/demo-lcorr.ini"))
    dimensions = choose_dimensions(start, blacklist=BLACKLIST)
    configs = [sampled(dimensions, start, seed) for seed in range(200)]
    assert all(plan_layers(81, config) for config in configs)
    for name in ("window_size", "convolutional_layers", "convolutional_kernel_time"):
        assert len({getattr(config, name) for config in configs}) > 3, name
    before = [Dimension.from_dict({**dimension.as_dict(), "kernels": "any"}) for dimension in dimensions]
    with pytest.raises(SettingsError, match="kernel"):
        _ = [plan_layers(81, sampled(before, start, seed)) for seed in range(200)]
