"""Settings of the final trainings of a recipe."""

import pytest

from cnn_mellin.config import format_settings, read_settings
from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes, tiny_sizes
from cnn_mellin.recipe.plan import start_settings, system_settings
from cnn_mellin.recipe.search_plan import plan_search

FEATURES = "fbank-81-10ms"


@pytest.mark.parametrize("model", ["lcorr", "mcorr"])
def test_tiny_recipes_train_the_fast_settings_for_fewer_epochs(model):
    settings = system_settings(RecipeOptions("/corpus", "timit", tiny=True, sizes=tiny_sizes()), model, FEATURES)
    fast = read_settings(f"fast-{model}")
    assert settings.training.num_epochs in range(2, fast.training.num_epochs or 0)
    assert settings.updated({"training": {"num_epochs": fast.training.num_epochs}}) == fast


def test_settings_of_ones_own_keep_their_number_of_epochs(tmp_path):
    own = read_settings("demo-mcorr").updated({"training": {"num_epochs": 17}})
    path = tmp_path / "own.ini"
    path.write_text(format_settings(own))
    options = RecipeOptions("/corpus", "timit", tiny=True, start={"mcorr": str(path)}, sizes=tiny_sizes())
    assert system_settings(options, "mcorr", FEATURES) == own


@pytest.mark.parametrize("tiny", [False, True])
def test_the_size_num_epochs_wins(tiny):
    options = RecipeOptions("/corpus", "timit", tiny=tiny, sizes=tiny_sizes().updated({"num_epochs": "3"}))
    assert system_settings(options, "mcorr", FEATURES).training.num_epochs == 3


@pytest.mark.parametrize(
    ("search_epochs", "num_epochs", "studies", "final"), [(0, 0, 30, 30), (2, 0, 2, 30), (0, 5, 30, 5), (2, 5, 2, 5)]
)
def test_final_trainings_after_a_search_have_their_own_number_of_epochs(search_epochs, num_epochs, studies, final):
    sizes = RecipeSizes(search_epochs=search_epochs, num_epochs=num_epochs)
    options = RecipeOptions("/corpus", "timit", models=("mcorr",), search=True, sizes=sizes)
    texts = start_settings(options)
    assert f"\nnum_epochs = {studies}\n" in texts[f"conf/start/mcorr-{FEATURES}.ini"]
    last = plan_search(options, "mcorr", FEATURES)[-1]
    assert last.products == (f"conf/final/mcorr-{FEATURES}.ini",)
    epochs = f"conf/start/epochs-mcorr-{FEATURES}.ini"
    assert texts[epochs] == f"[training]\nnum_epochs = {final}\n"
    assert last.sources == (epochs,)


def test_a_search_of_a_tiny_recipe_ends_with_trainings_of_many_epochs():
    options = RecipeOptions("/corpus", "timit", models=("mcorr",), tiny=True, search=True, sizes=tiny_sizes())
    assert start_settings(options)[f"conf/start/epochs-mcorr-{FEATURES}.ini"] == "[training]\nnum_epochs = 10\n"
