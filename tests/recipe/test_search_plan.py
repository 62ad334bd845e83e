import pytest

from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes, tiny_sizes
from cnn_mellin.recipe.search_plan import plan_search
from cnn_mellin.recipe.step import Step


def plan(**more) -> dict[str, Step]:
    options = RecipeOptions("/corpus", "timit", search=True, db_url="postgresql://u@h/d", device="cuda", **more)
    return {step.name: step for step in plan_search(options, "mcorr", "raw")}


def test_commands_of_the_search():
    steps = plan()
    study = "cnn-mellin optim --study-name model-mcorr-sm-raw postgresql://u@h/d"
    assert steps["model-mcorr-sm-raw-init"].command == (
        "cnn-mellin --read-ini conf/start/mcorr-raw.ini --device cuda optim --study-name model-mcorr-sm-raw "
        "postgresql://u@h/d init data/raw/train --blacklist 'training.*' 'data.*' model.convolutional_mellin "
        "--num-data-workers 4 --mem-limit-bytes 6442450944 --num-trials 128 --pruner none "
        "> search/model-mcorr-sm-raw.init"
    )
    run = f"{study} run --sampler random --model-dir search/trials --discard-ended > search/model-mcorr-sm-raw.run3"
    assert steps["model-mcorr-sm-raw-run3"].command == run
    assert steps["model-mcorr-lg-raw-important"].command == (
        f"{study} important --top-k=5 conf/search/model-lg-mcorr-raw.params"
    )
    assert steps["model-mcorr-lg-raw-best"].command == f"{study} best --independent conf/search/model-lg-mcorr-raw.ini"
    large = steps["model-mcorr-lg-raw-init"].command
    assert "--whitelist $(cat conf/search/model-lg-mcorr-raw.params) --num-data-workers 4" in large
    assert "--mem-limit-bytes 12884901888" in large
    assert "run --sampler tpe" in steps["model-mcorr-lg-raw-run1"].command
    assert steps["train-mcorr-sm-raw-best"].command == f"{study} best conf/search/train-sm-mcorr-raw.ini"
    training = steps["train-mcorr-sm-raw-init"].command
    assert "--read-ini conf/search/train-sm-mcorr-raw.ini --read-ini conf/start/masks.ini" in training
    assert "--blacklist 'model.*' 'training.max_.*_mask' training.num_epochs 'training.early_.*' " in training
    assert "--top-k=10 " in steps["train-mcorr-md-raw-important"].command
    assert "--mem-limit-bytes 9663676416" in steps["train-mcorr-md-raw-init"].command
    assert steps["found-mcorr-raw"].command == (
        "cnn-mellin optim --study-name train-mcorr-md-raw postgresql://u@h/d best conf/search/final-mcorr-raw.ini"
    )
    assert steps["settings-mcorr-raw"].command == (
        "cnn-mellin --read-ini conf/search/final-mcorr-raw.ini --read-ini conf/start/epochs-mcorr-raw.ini --print-ini "
        "> conf/final/mcorr-raw.ini"
    )


@pytest.mark.parametrize("sizes", [RecipeSizes(), tiny_sizes()])
def test_every_step_follows_the_steps_it_needs(sizes):
    known = {"prep-raw"}
    for step in plan(sizes=sizes).values():
        assert set(step.needs) <= known
        known.add(step.name)
    assert sum("-run" in name for name in known) == 4 * sizes.num_workers


def test_a_reader_waits_for_all_workers():
    steps = plan(sizes=tiny_sizes())
    assert steps["found-mcorr-raw"].needs == ("train-mcorr-md-raw-run1", "train-mcorr-md-raw-run2")
    assert steps["model-mcorr-lg-raw-init"].needs == (
        "prep-raw",
        "model-mcorr-lg-raw-important",
        "model-mcorr-lg-raw-best",
    )


def test_no_command_shows_a_password():
    options = RecipeOptions("/corpus", "timit", search=True, db_url="postgresql://me:s3cret@host/db")
    steps = plan_search(options, "mcorr", "raw")
    assert all("s3cret" not in step.command for step in steps)
    assert "postgresql://me:s3cret@host/db" in steps[0].arguments
