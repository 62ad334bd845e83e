"""Plan of a recipe: its options as steps (prepare, search if wanted, train, decode, score, compare, report)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.config import DecoderSetting, format_settings, read_settings
from cnn_mellin.config.settings import Settings
from cnn_mellin.corpora.corpus_files import corpus_state
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.scoring_folding import SCORING_FILE
from cnn_mellin.nearest import close_name
from cnn_mellin.recipe.options import RecipeOptions
from cnn_mellin.recipe.search_plan import MASKS_FILE, MASKS_TEXT, epochs_file, plan_search, settings_step
from cnn_mellin.recipe.step import STAGES, Step
from cnn_mellin.shipped_file import shipped_file

__all__ = [
    "kaldi_places",
    "plan_recipe",
    "start_settings",
    "steps_until",
    "system_settings",
    "write_start_settings",
]

DECODERS = ("greedy", "trigram")  # the second is called so whatever the order of its language model
_TINY_EPOCHS = 10  # then `make demo` takes less than five minutes on two cores, its installation included


def plan_recipe(options: RecipeOptions, folder: str | Path = ".") -> list[Step]:
    """All steps of a recipe, each after the steps that it needs.

    Args:
        options: the recipe's options; `write_start_settings` has been called for them.
        folder: the recipe's folder, in which its steps run.
    """
    steps: list[Step] = []
    corpus = corpus_state_of(options, Path(folder))
    for features, name in zip(options.features, options.feature_names, strict=True):
        steps += _preparation(options, features, name, corpus)
    systems = [(model, name) for name in options.feature_names for model in options.models]
    for model, name in systems:
        steps += _settings(options, model, name)
    for model, name in systems:
        for seed in range(1, options.num_seeds + 1):
            steps += _training(options, model, name, seed)
    steps += _results(options, systems)
    return steps


def steps_until(steps: Sequence[Step], stage: str | None) -> list[Step]:
    """Steps of all stages up to and including one.

    Args:
        steps: steps of a recipe.
        stage: last stage; None for all stages.

    Raises:
        SettingsError: the stage is unknown.
    """
    if stage is None:
        return list(steps)
    if stage not in STAGES:
        near = close_name(stage, STAGES)
        hint = "" if near is None else f"; did you mean {near}?"
        raise SettingsError(f"until {stage}: must be one of {', '.join(STAGES)}{hint}")
    return [step for step in steps if STAGES.index(step.stage) <= STAGES.index(stage)]


def start_settings(options: RecipeOptions) -> dict[str, str]:
    """Settings from which trainings, or the search, start: `conf/start/MODEL-FEATURES.ini` -> text of that file.

    Raises:
        SettingsError: there are no settings for a model and its feature type.
    """
    texts = {MASKS_FILE: MASKS_TEXT} if options.search else {}
    for name in options.feature_names:
        for model in options.models:
            base = _base_settings(options, model, name)
            texts[f"conf/start/{model}-{name}.ini"] = format_settings(_with_epochs(options, base))
            if options.search:
                epochs = options.sizes.num_epochs or base.training.num_epochs
                texts[epochs_file(model, name)] = f"[training]\nnum_epochs = {'' if epochs is None else epochs}\n"
    return texts


def write_start_settings(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files that `start_settings` returned; files with the same content are not touched."""
    (folder / "conf" / "start").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != text.encode():
            with atomic_file(path) as file:
                file.write(text)


def corpus_state_of(options: RecipeOptions, folder: Path) -> str:
    """Digest of a recipe's corpus; relative paths start at the recipe's folder, as its steps run there."""
    partitions, audio_root = kaldi_places(options, folder)
    return corpus_state(options.corpus, options.corpus_kind, parts=partitions, audio_root=audio_root)


def kaldi_places(options: RecipeOptions, folder: Path) -> tuple[dict[str, str], Path]:
    """Find the partitions of a Kaldi corpus, partition -> folder, and its audio, as `prep_options` say.

    Args:
        options: options of the recipe.
        folder: the recipe's folder, where relative paths start.
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--parts", nargs="+", default=[])
    parser.add_argument("--audio-root", default=".")
    try:
        given, _ = parser.parse_known_args(options.prep_options)
    except argparse.ArgumentError:  # the prep step reports it
        given = parser.parse_args([])
    partitions = {partition: name or partition for partition, _, name in (pair.partition("=") for pair in given.parts)}
    return partitions, folder.resolve() / given.audio_root


def _without_training_options(prep_options: Sequence[str]) -> list[str]:
    """Options of `prep` without those for the training partition, which `speed` does not have."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--speeds", nargs="*")
    parser.add_argument("--lm-order")
    try:
        return parser.parse_known_args(prep_options)[1]
    except argparse.ArgumentError:  # the prep step reports it
        return list(prep_options)


def system_settings(options: RecipeOptions, model: str, features: str) -> Settings:
    """Settings of the final trainings of a model with a feature type, or those at which their search starts."""
    return _with_epochs(options, _base_settings(options, model, features))


def _with_epochs(options: RecipeOptions, settings: Settings) -> Settings:
    """Settings with the number of epochs that the sizes ask for, if they do, in a search or without."""
    epochs = options.sizes.search_epochs if options.search else options.sizes.num_epochs
    return settings.updated({"training": {"num_epochs": epochs}}) if epochs else settings


def _base_settings(options: RecipeOptions, model: str, features: str) -> Settings:
    """Settings of a system with their own number of epochs."""
    given = options.start.get(f"{model}-{features}") or options.start.get(model) or options.start.get("")
    if given:
        settings = read_settings(given)
    elif options.tiny:
        settings = read_settings(shipped_file(f"model/fast-{model}.ini"))
        settings = settings.updated({"training": {"num_epochs": _TINY_EPOCHS}})
    elif options.search:
        settings = read_settings(shipped_file(f"optim/model-{model}-sm.ini"))
    else:
        try:
            settings = read_settings(shipped_file(f"model/published-lcorr-{features}.ini"))
        except FileNotFoundError:
            raise SettingsError(
                f"features {features}: has no published settings; give some with start=FILE, or search=True"
            ) from None
    return settings.updated({"model": {"convolutional_mellin": model == "mcorr"}})


def _preparation(options: RecipeOptions, features: str, name: str, corpus: str) -> list[Step]:
    sources = (features,) if features.endswith(".json") else ()
    chosen = ("--features", features, *options.prep_options)
    order = () if options.sizes.lm_order == 3 else ("--lm-order", str(options.sizes.lm_order))  # prep's default is 3
    files = ("partition.json", "features.npy", "index.npz")
    kept = [f"data/{name}/{partition}/{file}" for partition in ("train", "dev", "test") for file in files]
    # Without a record phones are folded, so that only corpora whose symbols stay need one: data of earlier versions
    # have none, and TIMIT need not be prepared again.
    scoring = () if options.corpus_kind == "timit" else (f"ext/{SCORING_FILE}",)
    prep = Step(
        f"prep-{name}",
        "prep",
        ("--quiet", "prep", options.corpus_kind, options.corpus, "data", *chosen, *order),
        products=(
            *kept,
            *(f"data/{name}/ext/{file}" for file in ("token2id.txt", "lm.arpa.gz", "test.ref.trn")),
            *(f"data/{name}/{file}" for file in scoring),
        ),
        sources=sources,
        state=corpus,
    )
    shared = ("--features", features, *_without_training_options(options.prep_options))
    rates = [f"{rate:g}" for rate in options.sizes.speaking_rates]
    speed = Step(
        f"speed-{name}",
        "speed",
        ("--quiet", "speed", options.corpus_kind, options.corpus, f"speed/{name}", *shared, "--rates", *rates),
        products=tuple(
            f"speed/{name}/{file}" for file in ("test/partition.json", "ext/test.ref.trn", "ext/utt2rate", *scoring)
        ),
        sources=sources,
        state=corpus,
    )
    return [prep, speed]


def _settings(options: RecipeOptions, model: str, name: str) -> list[Step]:
    if options.search:
        return plan_search(options, model, name)
    return [settings_step(f"{model}-{name}", f"conf/start/{model}-{name}.ini")]


def _training(options: RecipeOptions, model: str, name: str, seed: int) -> list[Step]:
    """A training, and the decoding of dev, test, and test at other speaking rates with its model."""
    label, folder, data = f"{model}-{name}-seed{seed}", f"models/{model}-{name}/seed{seed}", f"data/{name}"
    device = ("--device", options.device)
    train = Step(
        f"train-{label}",
        "train",
        (*device, "--read-ini", f"conf/final/{model}-{name}.ini", "train", f"{data}/train", f"{data}/dev", folder)
        + ("--seed", str(seed)),
        needs=(f"prep-{name}", f"settings-{model}-{name}"),
        products=(f"{folder}/model.json", f"{folder}/checkpoints.json"),
        resumes=(folder,),
        num_processes=options.gpus_per_training,
    )
    steps, sizes = [train], options.sizes
    grid = DecoderSetting.grid(sizes.beam_widths, sizes.lm_betas, sizes.insertion_bonuses, sizes.blank_biases)
    search = ("--beam-width", *map(str, sizes.beam_widths))
    for option, values in (
        ("--lm-beta", sizes.lm_betas),
        ("--insertion-bonus", sizes.insertion_bonuses),
        ("--blank-bias", sizes.blank_biases),
    ):
        if any(values):
            search += (option, *(f"{value:g}" for value in values))
    greedy, trigram = (f"systems/{model}-{name}-{decoder}/seed{seed}" for decoder in DECODERS)
    single = len(grid) == 1
    untrained = ("untrained", f"{data}/test", f"untrained/{model}-{name}.trn", ("--epoch", "0"))
    for what, partition, out, more in (
        *((untrained,) if seed == 1 else ()),
        ("test", f"{data}/test", f"{greedy}/test.trn", ()),
        ("speed", f"speed/{name}/test", f"speed/systems/{model}-{name}/seed{seed}/test.trn", ()),
        ("trigram-dev", f"{data}/dev", f"{trigram}/dev.trn" if single else trigram, search),
        ("trigram-test", f"{data}/test", f"{trigram}/test.trn" if single else trigram, search),
    ):
        decoded = what.rpartition("-")[2]
        files = (out,) if out.endswith(".trn") else tuple(f"{out}/{decoded}.{setting.name}.trn" for setting in grid)
        steps.append(
            Step(
                f"decode-{label}-{what}",
                "decode",
                (*device, "--quiet", "decode", folder, partition, out, *more),
                needs=(train.name, f"speed-{name}" if what == "speed" else f"prep-{name}"),
                products=files,
            )
        )
    return steps


def _results(options: RecipeOptions, systems: Sequence[tuple[str, str]]) -> list[Step]:
    seeds = range(1, options.num_seeds + 1)
    steps = []
    for model, name in systems:
        label, ext = f"{model}-{name}", f"data/{name}/ext"
        for kind, reference, folder, more in (
            ("", f"{ext}/test.ref.trn", f"systems/{label}-greedy", ("--per-phone", "--utt2spk", f"{ext}/utt2spk")),
            ("-speed", f"speed/{name}/ext/test.ref.trn", f"speed/systems/{label}")
            + (("--utt2spk", f"speed/{name}/ext/utt2rate"),),
        ):
            decoded = "speed" if kind else "test"
            files = tuple(f"{folder}/seed{seed}/test.trn" for seed in seeds)
            out = f"scores/{label}{kind}.json"
            steps.append(
                Step(
                    f"score-{label}{kind}",
                    "score",
                    ("score", reference, *files, "--per-speaker", *more, "--format", "json"),
                    needs=tuple(f"decode-{label}-seed{seed}-{decoded}" for seed in seeds),
                    products=(out,),
                    stdout=out,
                )
            )
    labels = [f"{model}-{name}" for model, name in systems]
    compared = [(decoder, [(label, decoder) for label in labels]) for decoder in DECODERS]
    compared += [(f"search-{label}", [(label, decoder) for decoder in DECODERS]) for label in labels]
    kinds = {"greedy": ("test",), "trigram": ("trigram-dev", "trigram-test")}
    ext = f"data/{options.feature_names[0]}/ext"
    chosen = ("--references", ext, "--utt2spk", f"{ext}/utt2spk", "--format", "json")
    for what, pairs in compared:
        folders = [f"systems/{label}-{decoder}" for label, decoder in pairs]
        steps.append(
            Step(
                f"compare-{what}",
                "compare",
                ("compare", *folders, *chosen, "--replications", str(options.sizes.replications)),
                needs=tuple(
                    f"decode-{label}-seed{seed}-{kind}"
                    for label, decoder in pairs
                    for seed in seeds
                    for kind in kinds[decoder]
                ),
                products=(f"comparison/{what}.json",),
                stdout=f"comparison/{what}.json",
            )
        )
    results = (*(step.name for step in steps), *(f"decode-{label}-seed1-untrained" for label in labels))
    report = Step("report", "report", ("report", "."), results, ("report.html", "report.md"))
    return [*steps, report]
