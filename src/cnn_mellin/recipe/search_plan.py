"""Steps of the hyperparameter search for one system: four studies, two of the model and two of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnn_mellin.recipe.options import RecipeOptions
from cnn_mellin.recipe.step import Step

__all__ = ["MASKS_FILE", "MASKS_TEXT", "epochs_file", "plan_search", "settings_step", "study_names"]

MASKS_FILE = "conf/start/masks.ini"
MASKS_TEXT = "[training]\nmax_time_mask = 10000\nmax_freq_mask = 10000\n"
"""Settings for which only proportions limit the masks: their widths are not searched."""

_TRIALS = "search/trials"
"""Trainings of running trials: where a worker is killed, another one resumes its trial there."""

_ALL_TRAINING = ("training.*", "data.*", "model.convolutional_mellin")
# With `tiny`, models keep their size.
_TINY = ("model.recurrent_.*", "model.convolutional_(layers|initial_channels|channel_factor)", "model.window_stride")
_NO_MODEL = ("model.*", "training.max_.*_mask", "training.num_epochs", "training.early_.*")


@dataclass(frozen=True)
class _Study:
    """A study of the search.

    Args:
        stage: model-sm, model-lg, train-sm or train-md.
        size: suffix of its fields in RecipeSizes.
        sampler: sampler of its workers.
    """

    stage: str
    size: str
    sampler: str


_STUDIES = (
    _Study("model-sm", "sm", "random"),
    _Study("model-lg", "lg", "tpe"),
    _Study("train-sm", "sm", "random"),
    _Study("train-md", "md", "random"),
)


def plan_search(options: RecipeOptions, model: str, features: str) -> list[Step]:
    """Steps of a search, the last of which writes the settings of final trainings, `conf/final/MODEL-FEATURES.ini`.

    Args:
        options: the recipe's options.
        model: lcorr or mcorr.
        features: name of the feature type.
    """
    search = _Search(options, model, features)
    steps: list[Step] = []
    for study in _STUDIES:
        steps += search.study(study)
    label = f"{model}-{features}"
    best = f"conf/search/final-{label}.ini"
    found = search.reading_step("settings", f"found-{label}", _STUDIES[-1], ("best", best), best)
    return [*steps, found, settings_step(label, best, epochs_file(model, features), needs=(found.name,))]


def settings_step(label: str, *files: str, needs: tuple[str, ...] = ()) -> Step:
    """Step that writes the settings of a system's final trainings, read from files, to `conf/final/LABEL.ini`."""
    final = f"conf/final/{label}.ini"
    arguments = (*_read_options(files), "--print-ini")
    return Step(f"settings-{label}", "settings", arguments, needs, (final,), final, _start_files(files))


def _read_options(files: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for path in files for word in ("--read-ini", path))


def _start_files(files: Sequence[str]) -> tuple[str, ...]:
    """Those of some settings files that no step makes."""
    return tuple(path for path in files if path.startswith("conf/start/"))


def epochs_file(model: str, features: str) -> str:
    """File with the number of epochs of the final trainings of a system; the studies may have another one."""
    return f"conf/start/epochs-{model}-{features}.ini"


def study_names(options: RecipeOptions) -> list[str]:
    """Names of all studies, in the order in which they run."""
    systems = [(model, name) for name in options.feature_names for model in options.models]
    return [_Search(options, *system).name(study.stage) for system in systems for study in _STUDIES]


@dataclass(frozen=True)
class _Search:
    options: RecipeOptions
    model: str
    features: str

    def study(self, study: _Study) -> list[Step]:
        """Steps of a study: choose its settings and hyperparameters, create it, and run its workers."""
        label, name, sizes = f"{self.model}-{self.features}", self.name(study.stage), self.options.sizes
        folder = f"conf/search/{study.stage}-{label}"
        choice: list[Step] = []
        read: tuple[str, ...]
        chosen: tuple[str, ...]
        if study.stage == "model-sm":
            read, chosen = (f"conf/start/{label}.ini",), ("--blacklist", *_ALL_TRAINING)
            if self.options.tiny:
                chosen += _TINY
        elif study.stage == "train-sm":
            read, chosen = (f"{folder}.ini", MASKS_FILE), ("--blacklist", *_NO_MODEL)
            choice = [self._best(study, "model-sm", f"{folder}.ini")]
        else:
            read, chosen = (f"{folder}.ini",), ("--whitelist", f"@{folder}.params")
            earlier = "model-sm" if study.stage == "model-lg" else "train-sm"
            top_k = sizes.top_k_lg if study.stage == "model-lg" else sizes.top_k_md
            wanted = ("important", f"--top-k={top_k}", f"{folder}.params")
            source = next(other for other in _STUDIES if other.stage == earlier)
            important = self.reading_step(study.stage, f"{name}-important", source, wanted, f"{folder}.params")
            choice = [important, self._best(study, earlier, f"{folder}.ini", "--independent")]
        created = f"search/{name}.init"
        limits: tuple[str, ...] = ("--num-data-workers", str(sizes.num_data_workers), "--mem-limit-bytes")
        limits += (str(getattr(sizes, f"mem_limit_bytes_{study.size}")),)
        limits += ("--num-trials", str(getattr(sizes, f"num_trials_{study.size}")))
        pruner = ("--pruner", "none") if study.stage == "model-sm" or self.options.tiny else ()
        init = Step(
            f"{name}-init",
            study.stage,
            (*_read_options(read), "--device", self.options.device, *self._optim(study))
            + ("init", f"data/{self.features}/train", *chosen, *limits, *pruner),
            needs=(f"prep-{self.features}", *(step.name for step in choice)),
            products=(created,),
            stdout=created,
            sources=_start_files(read),
        )
        workers = [
            Step(
                f"{name}-run{number}",
                study.stage,
                (*self._optim(study), "run", "--sampler", study.sampler, "--model-dir", _TRIALS, "--discard-ended"),
                needs=(init.name,),
                products=(f"search/{name}.run{number}",),
                stdout=f"search/{name}.run{number}",
            )
            for number in range(1, sizes.num_workers + 1)
        ]
        return [*choice, init, *workers]

    def reading_step(self, stage: str, name: str, study: _Study, command: tuple[str, ...], product: str) -> Step:
        """A step that reads a study after all its workers have ended."""
        workers = range(1, self.options.sizes.num_workers + 1)
        needs = tuple(f"{self.name(study.stage)}-run{number}" for number in workers)
        return Step(name, stage, (*self._optim(study), *command), needs, (product,))

    def _best(self, study: _Study, earlier: str, product: str, *more: str) -> Step:
        source = next(other for other in _STUDIES if other.stage == earlier)
        return self.reading_step(
            study.stage, f"{self.name(study.stage)}-best", source, ("best", *more, product), product
        )

    def name(self, stage: str) -> str:
        """Name of a study, such as model-mcorr-sm-fbank-81-10ms."""
        kind, size = stage.split("-")
        return f"{kind}-{self.model}-{size}-{self.features}"

    def _optim(self, study: _Study) -> tuple[str, ...]:
        return ("optim", "--study-name", self.name(study.stage), self.options.db_url or "sqlite:///search.db")
