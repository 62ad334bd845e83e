import pytest

from cnn_mellin.config import Settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.search.space import Dimension, choose_dimensions, nearest_values, settings_with


def names(**keywords):
    return [dimension.name for dimension in choose_dimensions(Settings(), **keywords)]


def test_with_the_blacklist_of_the_recipe_only_the_model_is_searched():
    found = names(blacklist=["training.*", "data.*", "model.convolutional_mellin"])
    assert found
    assert all(name.startswith("model.") for name in found)
    assert "model.convolutional_mellin" not in found


def test_mellin_is_searched_only_by_its_whole_name(caplog):
    assert "model.convolutional_mellin" not in names(whitelist=["model.conv.*"])
    assert any("convolutional_mellin: stays False" in line for line in caplog.messages)
    assert names(whitelist=["model.convolutional_mellin"]) == ["model.convolutional_mellin"]


def test_a_setting_that_cannot_matter_leaves_the_search_with_a_reason(caplog):
    settings = Settings().updated({"model": {"convolutional_layers": 0}})
    found = choose_dimensions(settings, blacklist=["training.*", "data.*", "model.convolutional_layers"])
    assert not any(dimension.name.startswith("model.convolutional_kernel") for dimension in found)
    assert any("convolutional_kernel_time: leaves the search" in line for line in caplog.messages)


@pytest.mark.parametrize("option", ["whitelist", "blacklist"])
def test_an_expression_that_matches_no_setting_is_reported_with_the_nearest(option):
    with pytest.raises(SettingsError, match=rf"^{option} 'model.windw_size': matches no setting.*model.window_size"):
        names(**{option: ["model.windw_size"]})
    with pytest.raises(SettingsError, match="is not a regular expression"):
        names(**{option: ["("]})


def test_a_range_of_the_user_replaces_that_of_the_setting():
    searched = ["training.log10_learning_rate", "model.recurrent_size", "model.window_stride"]
    ranges = {"training.log10_learning_rate": (-3.5, -2.0), "model.recurrent_size": (8, 96)}
    found = {one.name: one for one in choose_dimensions(Settings(), whitelist=searched, ranges=ranges)}
    usual = {one.name: one for one in choose_dimensions(Settings(), whitelist=searched)}
    assert (found[searched[0]].low, found[searched[0]].high) == (-3.5, -2.0)
    assert (found[searched[1]].low, found[searched[1]].high, found[searched[1]].log) == (8, 96, True)
    assert found[searched[2]] == usual[searched[2]]
    assert nearest_values(Settings(), list(found.values()))[searched[1]] == 96


def test_a_range_of_the_user_bounds_the_kernels_that_can_live():
    changes = {"convolutional_mellin": True, "convolutional_kernel_offset": 2, "convolutional_layers": 1}
    settings = Settings().updated({"model": changes})
    searched = ["model.window_size", "model.convolutional_kernel_time"]
    found = choose_dimensions(settings, whitelist=searched, ranges={"model.window_size": (12, 24)})
    values = nearest_values(settings, found)
    assert values["model.window_size"] == 12


@pytest.mark.parametrize(
    ("name", "low", "high", "message"),
    [
        ("model.window_stride", 1, 2, "ranges model.window_stride: is not searched; name it in the whitelist"),
        ("model.windw_size", 1, 2, "ranges model.windw_size: is not searched; did you mean 'model.window_size'"),
        ("model.window_pooling", 1, 2, "the setting has choices, not a range: sum, mean"),
        ("model.window_size", 3, 2, "ranges model.window_size 3 2: the lowest value must not be above the highest"),
        ("model.window_size", float("nan"), 2, "the lowest value must not be above the highest"),
        ("model.window_size", 2, 2.5, "ranges model.window_size 2 2.5: the setting takes whole numbers"),
        ("model.window_size", 0, 2, r"ranges model.window_size 0 2: \[model\] window_size"),
        ("model.recurrent_size", 0, 2, "is sampled in the logarithm; both ends must be above 0"),
    ],
)
def test_a_range_that_does_not_fit_is_refused(name, low, high, message):
    searched = ["model.window_size", "model.window_pooling", "model.recurrent_size"]
    with pytest.raises(SettingsError, match=message):
        choose_dimensions(Settings(), whitelist=searched, ranges={name: (low, high)})


def test_raw_audio_scales_ranges_and_leaves_settings_out():
    raw = {dimension.name: dimension for dimension in choose_dimensions(Settings(), raw=True)}
    frames = {dimension.name: dimension for dimension in choose_dimensions(Settings())}
    assert raw["model.window_size"].low == 100 * frames["model.window_size"].low
    assert "model.convolutional_kernel_freq" not in raw


def test_a_bound_follows_the_sampled_values():
    dimension = Dimension("model.convolutional_factor_schedule", (), 1, 7, True, most="convolutional_layers + 1")
    assert dimension.high_of(settings_with(Settings(), {"model.convolutional_layers": 2})) == 3
    assert dimension.high_of(settings_with(Settings(), {"model.convolutional_layers": 6})) == 7


def test_the_nearest_values_lie_within_the_ranges():
    settings = Settings().updated({"model": {"window_size": 50}})
    (dimension,) = choose_dimensions(settings, whitelist=["model.window_size"])
    assert nearest_values(settings, [dimension]) == {"model.window_size": int(dimension.high)}
