import json
from dataclasses import asdict, replace

import pytest
import yaml

from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes, read_options, write_options


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"corpus": 5}, r"corpus is 5, not text"),
        ({"corpus_kind": "sphere"}, "corpus_kind is 'sphere', not one of timit, kaldi, table"),
        ({"num_seeds": "2"}, "num_seeds is '2', not a whole number"),
        ({"features": "raw"}, "features is 'raw', not a list"),
        ({"start": {"lcorr": 3}}, "start.lcorr is 3, not text"),
        ({"sizes": {"lm_betas": ["x"]}}, r"sizes.lm_betas\[0\] is 'x', not a number"),
        ({"sizes": {"num_workers": None}}, "sizes.num_workers is None, not a whole number"),
        ({"sizes": {"num_walkers": 3}}, "num_walkers"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_damaged_options_are_named_with_the_remedy(tmp_path, change, why):
    write_options(tmp_path, RecipeOptions("/corpus", "timit"))
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(DataError, match=rf"config.yaml: is damaged \(.*{why}.*; run the recipe again with all its op"):
        read_options(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"{", "is not YAML"), (b"[" * 600, "nested too deeply|is not YAML"), (b"\xff", "is not UTF-8")],
)
def test_options_that_are_not_yaml_are_named_with_the_remedy(tmp_path, content, why):
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(DataError, match=f"config.yaml:.*({why}).*; run the recipe again with all its options"):
        read_options(tmp_path)


def test_a_byte_order_mark_changes_nothing(tmp_path):
    write_options(tmp_path, RecipeOptions("/corpus", "timit"))
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_options(tmp_path) == RecipeOptions("/corpus", "timit")


def test_a_recipe_of_an_earlier_version_is_read(tmp_path):
    given = RecipeOptions("/corpus", "table", start={"lcorr": "/a.ini"}, sizes=RecipeSizes(lm_betas=(0.5, 1e-5)))
    (tmp_path / "recipe.json").write_text(json.dumps(asdict(given), indent=1))
    assert read_options(tmp_path) == given


def test_options_are_written_only_where_they_differ(tmp_path):
    options = RecipeOptions("/corpus ɑː", "timit", db_url="env:U", sizes=RecipeSizes(lm_betas=(0.5, 1e-5)))
    write_options(tmp_path, options)
    before = (tmp_path / "config.yaml").stat().st_mtime_ns
    write_options(tmp_path, options)
    assert (tmp_path / "config.yaml").stat().st_mtime_ns == before
    assert read_options(tmp_path) == options
    write_options(tmp_path, replace(options, num_seeds=3))
    assert read_options(tmp_path).num_seeds == 3


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("num_walkers", "3", "is not a size of the recipe; did you mean 'num_workers'?"),
        ("beam_widths", "4,x", "must be int values separated by commas, such as beam_widths=16"),
        ("num_workers", "0", "must be at least 1"),
        ("lm_betas", "-0.1", "must be at least 0"),
        ("speaking_rates", "1,0.29", r"must lie in 0\.3\.\.3$"),
        ("speaking_rates", "nan", r"must lie in 0\.3\.\.3$"),
    ],
)
def test_wrong_sizes_are_named(name, text, why):
    with pytest.raises(SettingsError, match=f"^{name}={text}: {why}".replace("?", r"\?")):
        RecipeSizes().updated({name: text})


def test_speaking_rates_may_be_as_slow_and_as_fast_as_speech_can_be_changed():
    assert RecipeSizes().updated({"speaking_rates": "0.3,3"}).speaking_rates == (0.3, 3.0)
