import pytest

from cnn_mellin.config import Settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.search.space import Dimension, choose_dimensions, nearest_draw, settings_of_draw


def names(**keywords):
    return [dimension.name for dimension in choose_dimensions(Settings(), **keywords)]


def test_the_blacklist_of_the_recipe_leaves_the_model_alone_to_search():
    found = names(blacklist=["training.*", "data.*", "model.convolutional_mellin"])
    assert found
    assert all(name.startswith("model.") for name in found)
    assert "model.convolutional_mellin" not in found


def test_mellin_is_searched_only_by_its_whole_name():
    warned: list[str] = []
    assert "model.convolutional_mellin" not in names(whitelist=["model.conv.*"], warn=warned.append)
    assert any("convolutional_mellin: stays False" in line for line in warned)
    assert names(whitelist=["model.convolutional_mellin"]) == ["model.convolutional_mellin"]


def test_what_cannot_matter_leaves_with_a_reason():
    warned: list[str] = []
    settings = Settings().updated({"model": {"convolutional_layers": 0}})
    found = choose_dimensions(settings, blacklist=["training.*", "data.*", "model.convolutional_layers"],
                              warn=warned.append)  # fmt: skip
    assert not any(dimension.name.startswith("model.convolutional_kernel") for dimension in found)
    assert any("convolutional_kernel_time: leaves the search" in line for line in warned)


@pytest.mark.parametrize("option", ["whitelist", "blacklist"])
def test_an_expression_that_fits_nothing_names_the_nearest(option):
    with pytest.raises(SettingsError, match=rf"--{option} 'model.windw_size': fits no setting.*model.window_size"):
        names(**{option: ["model.windw_size"]})
    with pytest.raises(SettingsError, match="is no regular expression"):
        names(**{option: ["("]})


def test_raw_audio_scales_and_leaves_out():
    raw = {dimension.name: dimension for dimension in choose_dimensions(Settings(), raw=True)}
    frames = {dimension.name: dimension for dimension in choose_dimensions(Settings())}
    assert raw["model.window_size"].low == 100 * frames["model.window_size"].low
    assert "model.convolutional_kernel_freq" not in raw


def test_a_bound_follows_what_was_drawn():
    dimension = Dimension("model.convolutional_factor_schedule", (), 1, 7, True, most="convolutional_layers + 1")
    assert dimension.high_of(settings_of_draw(Settings(), {"model.convolutional_layers": 2})) == 3
    assert dimension.high_of(settings_of_draw(Settings(), {"model.convolutional_layers": 6})) == 7


def test_the_nearest_draw_lies_within_the_ranges():
    settings = Settings().updated({"model": {"window_size": 50}})
    (dimension,) = choose_dimensions(settings, whitelist=["model.window_size"])
    assert nearest_draw(settings, [dimension]) == {"model.window_size": int(dimension.high)}
