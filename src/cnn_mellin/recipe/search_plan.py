"""The steps of a search for one system: small models, large models, training with few and with the chosen settings."""

from __future__ import annotations

from dataclasses import dataclass

from cnn_mellin.recipe.options import RecipeOptions
from cnn_mellin.recipe.step import Step

__all__ = ["MASKS_FILE", "MASKS_TEXT", "plan_search", "study_names"]

MASKS_FILE = "conf/start/masks.ini"
MASKS_TEXT = "[training]\nmax_time_mask = 10000\nmax_freq_mask = 10000\n"
"""Masks as wide as proportions allow: their widths are not searched for."""

_TRIALS = "search/trials"
"""Trainings of the trials that run: another worker resumes there what one leaves that is killed."""

_ALL_TRAINING = ("training.*", "data.*", "model.convolutional_mellin")
# Models stay as small as they begin.
_TINY = ("model.recurrent_.*", "model.convolutional_(layers|initial_channels|channel_factor)", "model.window_stride")
_NO_MODEL = ("model.*", "training.max_.*_mask", "training.num_epochs", "training.early_.*")


@dataclass(frozen=True)
class _Study:
    """A study of the search.

    Args:
        stage: model-sm, model-lg, train-sm or train-md.
        size: its suffix in the recipe's sizes.
        sampler: of its workers.
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
    """Steps up to `conf/final/MODEL-FEATURES.ini`, the best settings of the last study.

    Args:
        options: of the recipe.
        model: lcorr or mcorr.
        features: name of the feature type.
    """
    search = _Search(options, model, features)
    steps: list[Step] = []
    for study in _STUDIES:
        steps += search.study(study)
    final = f"conf/final/{model}-{features}.ini"
    return [*steps, search.reading("settings", f"settings-{model}-{features}", _STUDIES[-1], ("best", final), final)]


def study_names(options: RecipeOptions) -> list[str]:
    """Names of all studies, in the order in which they are run."""
    systems = [(model, name) for name in options.feature_names for model in options.models]
    return [_Search(options, *system).name(study.stage) for system in systems for study in _STUDIES]


@dataclass(frozen=True)
class _Search:
    options: RecipeOptions
    model: str
    features: str

    def study(self, study: _Study) -> list[Step]:
        """What a study begins with, its beginning and its workers."""
        label, name, sizes = f"{self.model}-{self.features}", self.name(study.stage), self.options.sizes
        folder = f"conf/search/{study.stage}-{label}"
        before: list[Step] = []
        read: tuple[str, ...]
        chosen: tuple[str, ...]
        if study.stage == "model-sm":
            read, chosen = (f"conf/start/{label}.ini",), ("--blacklist", *_ALL_TRAINING)
            if self.options.tiny:
                chosen += _TINY
        elif study.stage == "train-sm":
            read, chosen = (f"{folder}.ini", MASKS_FILE), ("--blacklist", *_NO_MODEL)
            before = [self._best(study, "model-sm", f"{folder}.ini")]
        else:
            read, chosen = (f"{folder}.ini",), ("--whitelist", f"@{folder}.params")
            earlier = "model-sm" if study.stage == "model-lg" else "train-sm"
            top_k = sizes.top_k_lg if study.stage == "model-lg" else sizes.top_k_md
            wanted = ("important", f"--top-k={top_k}", f"{folder}.params")
            source = next(other for other in _STUDIES if other.stage == earlier)
            important = self.reading(study.stage, f"{name}-important", source, wanted, f"{folder}.params")
            before = [important, self._best(study, earlier, f"{folder}.ini", "--independent")]
        made = f"search/{name}.init"
        limits: tuple[str, ...] = ("--num-data-workers", str(sizes.num_data_workers), "--mem-limit-bytes")
        limits += (str(getattr(sizes, f"mem_limit_bytes_{study.size}")),)
        limits += ("--num-trials", str(getattr(sizes, f"num_trials_{study.size}")))
        pruner = ("--pruner", "none") if study.stage == "model-sm" or self.options.tiny else ()
        read_options = tuple(word for path in read for word in ("--read-ini", path))
        init = Step(
            f"{name}-init",
            study.stage,
            (*read_options, "--device", self.options.device, *self._optim(study))
            + ("init", f"data/{self.features}/train", *chosen, *limits, *pruner),
            needs=(f"prep-{self.features}", *(step.name for step in before)),
            products=(made,),
            stdout=made,
            sources=tuple(path for path in read if path.startswith("conf/start/")),
            light=True,
        )
        workers = [
            Step(
                f"{name}-run{number}",
                study.stage,
                (*self._optim(study), "run", "--sampler", study.sampler, "--model-dir", _TRIALS, "--discard-ended"),
                needs=(init.name,),
                products=(f"search/{name}.run{number}",),
                stdout=f"search/{name}.run{number}",
                heavy=True,
            )
            for number in range(1, sizes.num_workers + 1)
        ]
        return [*before, init, *workers]

    def reading(self, stage: str, name: str, study: _Study, command: tuple[str, ...], product: str) -> Step:
        """A step that reads a study whose workers have ended."""
        workers = range(1, self.options.sizes.num_workers + 1)
        needs = tuple(f"{self.name(study.stage)}-run{number}" for number in workers)
        return Step(name, stage, (*self._optim(study), *command), needs, (product,), light=True)

    def _best(self, study: _Study, earlier: str, product: str, *more: str) -> Step:
        source = next(other for other in _STUDIES if other.stage == earlier)
        return self.reading(study.stage, f"{self.name(study.stage)}-best", source, ("best", *more, product), product)

    def name(self, stage: str) -> str:
        """As the recipe names its studies: model-mcorr-sm-fbank-81-10ms."""
        kind, size = stage.split("-")
        return f"{kind}-{self.model}-{size}-{self.features}"

    def _optim(self, study: _Study) -> tuple[str, ...]:
        return ("optim", "--study-name", self.name(study.stage), self.options.db_url or "sqlite:///search.db")
