from dataclasses import replace
from pathlib import Path

import pytest

from cnn_mellin.errors import SettingsError
from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes, read_options, write_options
from cnn_mellin.recipe.plan import plan_recipe
from cnn_mellin.recipe.step_run import delete_unplanned_transcripts


def options(corpus: Path, *, seeds: int = 2, lm_weights: tuple[float, ...] = (0.2, 0.4)) -> RecipeOptions:
    return RecipeOptions(str(corpus), "timit", num_seeds=seeds, sizes=RecipeSizes(lm_betas=lm_weights))


def transcripts(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.trn")}


def test_transcripts_of_seeds_and_settings_that_are_no_longer_wanted_are_deleted(tmp_path):
    folder = tmp_path / "exp"
    for step in plan_recipe(options(tmp_path)):
        for product in step.products:
            if product.endswith(".trn"):
                (folder / product).parent.mkdir(parents=True, exist_ok=True)
                (folder / product).write_text("")
    other = folder / "systems" / "elsewhere" / "seed1" / "test.trn"
    other.parent.mkdir(parents=True)
    other.write_text("")
    everything = transcripts(folder)
    assert delete_unplanned_transcripts(folder, plan_recipe(options(tmp_path))) == []
    assert transcripts(folder) == everything
    lines = delete_unplanned_transcripts(folder, plan_recipe(options(tmp_path, seeds=1, lm_weights=(0.2, 0.6))))
    left = transcripts(folder)
    assert len(lines) == len(everything - left) > 0
    assert all(line.endswith(".trn: deleted, as it is no longer part of this recipe") for line in lines)
    assert {name for name in everything if "seed2" in name or "lm0.4" in name} == everything - left
    assert "data/fbank-81-10ms/ext/test.ref.trn" in left
    assert "systems/elsewhere/seed1/test.trn" in left


def trigram_step(tmp_path: Path, sizes: RecipeSizes) -> tuple[str, list[str]]:
    """Command of the decoding of dev with the trigram, and the names of its transcripts."""
    given = RecipeOptions(str(tmp_path), "timit", models=("lcorr",), num_seeds=1, sizes=sizes)
    step = next(step for step in plan_recipe(given) if step.name.endswith("trigram-dev"))
    return step.command, [Path(product).name for product in step.products]


def test_bonuses_and_biases_are_decoded_where_asked(tmp_path):
    plain, _ = trigram_step(tmp_path, RecipeSizes(lm_betas=(0.4,)))
    assert plain.endswith("/dev.trn --beam-width 16 --lm-beta 0.4")
    sizes = RecipeSizes().updated({"lm_betas": "0,0.4", "insertion_bonuses": "0,1", "blank_biases": "-0.5"})
    command, names = trigram_step(tmp_path, sizes)
    assert command.endswith(" --beam-width 16 --lm-beta 0 0.4 --insertion-bonus 0 1 --blank-bias -0.5")
    assert names == [f"dev.beam16{lm}{bonus}-blank-0.5.trn" for lm in ("", "-lm0.4") for bonus in ("", "-bonus+1")]


def test_only_the_preparation_changes_with_the_order_of_the_language_model(tmp_path):
    plans = [
        plan_recipe(RecipeOptions(str(tmp_path), "timit", num_seeds=1, sizes=RecipeSizes().updated(changes)))
        for changes in ({}, {"lm_order": "3"}, {"lm_order": "5"})
    ]
    default, three, five = ({step.name: step.command for step in plan} for plan in plans)
    assert three == default
    changed = {name: command for name, command in five.items() if command != default[name]}
    assert changed == {"prep-fbank-81-10ms": f"{default['prep-fbank-81-10ms']} --lm-order 5"}


def test_options_for_the_training_partition_are_those_of_the_preparation_alone(tmp_path):
    given = ("--phones", "39", "--speeds", "0.9", "1.1", "--resample", "--lm-order", "4", "--leave-out-damaged", "2%")
    plan = plan_recipe(RecipeOptions(str(tmp_path), "timit", num_seeds=1, prep_options=given))
    commands = {step.name: step.command for step in plan}
    assert commands["prep-fbank-81-10ms"].endswith(f" --features fbank-81-10ms {' '.join(given)}")
    shared = " --features fbank-81-10ms --phones 39 --resample --leave-out-damaged 2% --rates "
    assert shared in commands["speed-fbank-81-10ms"].replace("'", "")


@pytest.mark.parametrize("name", ["insertion_bonuses", "blank_biases"])
def test_bonuses_and_biases_are_finite(name):
    for text in ("nan", "inf", "0,-inf"):
        with pytest.raises(SettingsError, match=f"{name}={text}: must be finite"):
            RecipeSizes().updated({name: text})


def test_more_seeds_leave_the_steps_of_the_first_as_they_were(tmp_path):
    few, many = ({step.name: step.digest(tmp_path) for step in plan_recipe(options(tmp_path, seeds=n))} for n in (1, 3))
    changed = {name for name in few if few[name] != many[name]}
    assert changed == {name for name in few if name.startswith("score")}
    assert len(many) - len(few) == 2 * 2 * 5


def test_options_are_read_as_they_were_written(tmp_path):
    given = options(tmp_path, lm_weights=(0.5,))
    write_options(tmp_path, given)
    assert read_options(tmp_path) == given


def test_trainings_on_several_gpus_are_run_by_torchrun(tmp_path):
    one, two = (replace(options(tmp_path), gpus_per_training=n) for n in (1, 2))
    plans = [{step.name: step for step in plan_recipe(each)} for each in (one, two)]
    changed = {name for name, step in plans[0].items() if step.digest(tmp_path) != plans[1][name].digest(tmp_path)}
    assert changed == {name for name in plans[0] if name.startswith("train-")}
    command = plans[1]["train-lcorr-fbank-81-10ms-seed1"].command
    assert command.startswith("torchrun --standalone --nproc-per-node 2 -m cnn_mellin --device cpu --read-ini ")


def prep_digest(given: RecipeOptions, folder: Path) -> str:
    return next(step.digest(folder) for step in plan_recipe(given, folder) if step.stage == "prep")


@pytest.mark.parametrize("audio_root", ["", "--audio-root ../audio", "--audio-root={tmp_path}/audio"])
def test_preparation_is_out_of_date_once_audio_has_changed(tmp_path, monkeypatch, audio_root):
    folder, corpus = tmp_path / "exp", tmp_path / "corpus"
    for name in ("exp", "corpus/train_1", "audio"):
        (tmp_path / name).mkdir(parents=True)
    (corpus / "train_1" / "wav.scp").write_text("a a.sph\n")
    audio = (tmp_path / "audio" if audio_root else folder) / "a.sph"
    audio.write_bytes(b"one")
    prep_options = (*audio_root.format(tmp_path=tmp_path).split(), "--jobs", "1", "--parts", "train=train_1")
    given = RecipeOptions(str(corpus), "kaldi", prep_options)
    before = prep_digest(given, folder)
    monkeypatch.chdir(tmp_path)
    assert prep_digest(given, Path("exp")) == before
    audio.write_bytes(b"another")
    assert prep_digest(given, folder) != before


def test_steps_that_score_leave_folding_to_the_record_beside_the_references(tmp_path):
    (tmp_path / "c.tsv").write_text("audio\ttranscript\n")
    of_table = plan_recipe(RecipeOptions(str(tmp_path / "c.tsv"), "table", num_seeds=1))
    of_timit = plan_recipe(RecipeOptions(str(tmp_path), "timit", num_seeds=1))
    assert not any("--no-fold" in step.arguments for step in of_table)
    records = [product for step in of_table for product in step.products if product.endswith("scoring.json")]
    assert records == ["data/fbank-81-10ms/ext/scoring.json", "speed/fbank-81-10ms/ext/scoring.json"]
    assert not any(product.endswith("scoring.json") for step in of_timit for product in step.products)
