"""Options of a recipe: its corpus, features, models, seeds and sizes."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.formats.feature_name import feature_name
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import parse_json, parse_yaml, read_text
from cnn_mellin.nearest import nearest
from cnn_mellin.speaking_rate_range import FASTEST_RATE, SLOWEST_RATE, SPEAKING_RATES_SHOWN

__all__ = ["RecipeOptions", "RecipeSizes", "read_options", "write_options"]

_GIB = 1024**3
_FILE = "config.yaml"
_EARLIER_FILE = "recipe.json"  # of recipes that were run by earlier versions
_HEADING = """\
# Options of the recipe; the Snakefile reads them, too. Written by `cnn-mellin recipe`, and may be edited for snakemake.
"""


@dataclass(frozen=True)
class RecipeSizes:
    """Sizes of a recipe: numbers of trials, workers, epochs and the like.

    Args:
        num_trials_sm, num_trials_lg, num_trials_md: number of trials per study of that size.
        num_workers: number of workers that run the trials of a study at the same time.
        top_k_lg, top_k_md: number of hyperparameters, the most important first, that the next study searches.
        mem_limit_bytes_sm, mem_limit_bytes_lg, mem_limit_bytes_md: memory limit of the trainings of a study.
        search_epochs: number of epochs per training in the studies; 0 keeps the number in the settings.
        num_epochs: number of epochs of the final trainings; 0 keeps the number in their settings.
        lm_order: order of the language model, 3 for a trigram.
        beam_widths, lm_betas, insertion_bonuses, blank_biases: beam widths, language model weights, bonuses per phone
            and biases of the blank in decoding with it, of which the best combination on dev is chosen.
        speaking_rates: speaking rates to which the test audio is changed.
        num_data_workers: number of data-loading processes per training of a study.
        replications: number of bootstrap replications in comparisons.
    """

    num_trials_sm: int = 128
    num_trials_lg: int = 128
    num_trials_md: int = 128
    num_workers: int = 4
    top_k_lg: int = 5
    top_k_md: int = 10
    mem_limit_bytes_sm: int = 6 * _GIB
    mem_limit_bytes_lg: int = 12 * _GIB
    mem_limit_bytes_md: int = 9 * _GIB
    search_epochs: int = 0
    num_epochs: int = 0
    lm_order: int = 3
    beam_widths: tuple[int, ...] = (16,)
    lm_betas: tuple[float, ...] = (0.2, 0.4, 0.6)
    insertion_bonuses: tuple[float, ...] = (0.0,)
    blank_biases: tuple[float, ...] = (0.0,)
    speaking_rates: tuple[float, ...] = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
    num_data_workers: int = 4
    replications: int = 10000

    def updated(self, changes: Mapping[str, str]) -> RecipeSizes:
        """A copy in which some sizes are changed to values given as text.

        Args:
            changes: name -> value; several values are separated by commas.

        Raises:
            SettingsError: a name is unknown, or a value is invalid.

        >>> RecipeSizes().updated({"num_workers": "2", "lm_betas": "0.3,0.5"}).lm_betas
        (0.3, 0.5)
        """
        known = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        parsed: dict[str, Any] = {}
        for name, text in changes.items():
            if name not in known:
                raise SettingsError(f"{name}={text}: is not a size of the recipe; {nearest(name, known)}")
            current = known[name]
            several = isinstance(current, tuple)
            kind = type(current[0]) if isinstance(current, tuple) else int
            try:
                values = [kind(value) for value in (text.split(",") if several else [text])]
            except ValueError:
                shape = f"{kind.__name__} values separated by commas" if several else "a whole number"
                raise SettingsError(f"{name}={text}: must be {shape}, such as {name}={_shown(current)}") from None
            least, most, rule = _bounds(name)
            if not all(least <= value <= most for value in values):
                raise SettingsError(f"{name}={text}: must {rule}")
            parsed[name] = tuple(values) if several else values[0]
        return replace(self, **parsed)


def _bounds(name: str) -> tuple[float, float, str]:
    """Least and largest value of a size, and the rule in words."""
    if name == "speaking_rates":
        return SLOWEST_RATE, FASTEST_RATE, f"lie in {SPEAKING_RATES_SHOWN}"
    if name in ("insertion_bonuses", "blank_biases"):
        return -sys.float_info.max, sys.float_info.max, "be finite"
    least = 0 if name in ("search_epochs", "num_epochs", "num_data_workers", "lm_betas") else 1
    return least, math.inf, f"be at least {least}"


def tiny_sizes() -> RecipeSizes:
    """Sizes for a demonstration that takes minutes."""
    return RecipeSizes(
        num_trials_sm=4,
        num_trials_lg=3,
        num_trials_md=3,
        num_workers=2,
        top_k_lg=2,
        top_k_md=2,
        search_epochs=1,
        lm_betas=(0.4, 0.6, 0.8, 1.0),
        insertion_bonuses=(0.0, 1.0, 2.0, 3.0),
        speaking_rates=(0.8, 1.0, 1.25),
        num_data_workers=0,
    )


@dataclass(frozen=True)
class RecipeOptions:
    """Options of a recipe.

    Args:
        corpus: absolute path of the corpus.
        corpus_kind: timit, kaldi or table.
        prep_options: further arguments of `cnn-mellin prep`.
        features: names of feature types, or absolute paths of NAME.json files that define one.
        models: model types to compare: lcorr, mcorr or both.
        num_seeds: number of final trainings per system; their seeds are 1 to this number.
        start: `MODEL-FEATURES`, `MODEL` or the empty string -> settings file of those systems, the more specific key
            first. With `search`, the search starts from these settings; otherwise they are the final ones.
        tiny: use small models, for a demonstration.
        search: search for the settings before the final trainings.
        db_url: URL of the database that holds the studies; empty for a SQLite file in the recipe's folder.
        device: device on which models are trained and decoded.
        gpus_per_training: number of processes per final training, each with a GPU of its own.
        sizes: numbers of trials, workers, epochs and the like.
    """

    corpus: str
    corpus_kind: str
    prep_options: tuple[str, ...] = ()
    features: tuple[str, ...] = ("fbank-81-10ms",)
    models: tuple[str, ...] = ("lcorr", "mcorr")
    num_seeds: int = 20
    start: Mapping[str, str] = field(default_factory=dict)
    tiny: bool = False
    search: bool = False
    db_url: str = ""
    device: str = "cpu"
    gpus_per_training: int = 1
    sizes: RecipeSizes = field(default_factory=RecipeSizes)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the feature types; for a file, its name without folder and suffix."""
        return tuple(map(feature_name, self.features))


_KINDS = ("timit", "kaldi", "table")
_SHAPE = {
    "corpus": str,
    "corpus_kind": str,
    "prep_options?": [str],
    "features?": [str],
    "models?": [str],
    "num_seeds?": int,
    "start?": {str: str},
    "tiny?": bool,
    "search?": bool,
    "db_url?": str,
    "device?": str,
    "gpus_per_training?": int,
    "sizes": {
        f"{entry.name}?": [type(entry.default[0])] if isinstance(entry.default, tuple) else int
        for entry in fields(RecipeSizes)
    },
}


def corpus_kind_of(corpus: Path) -> str:
    """Kind of a corpus (timit, kaldi or table), recognised by its files.

    Raises:
        SettingsError: the corpus does not exist.
    """
    if corpus.is_file():
        return "table"
    if not corpus.is_dir():
        raise SettingsError(f"{corpus}: does not exist; name a corpus: TIMIT's folder, Kaldi's folders or a table")
    if (corpus / "wav.scp").exists() or (corpus / "train" / "wav.scp").exists():
        return "kaldi"
    return "timit"


def write_options(folder: Path, options: RecipeOptions) -> None:
    """Write the options to the recipe's folder, unless the same are there already."""
    text = _HEADING + yaml.safe_dump(
        json.loads(json.dumps(asdict(options))), sort_keys=False, default_flow_style=None, width=120, allow_unicode=True
    )
    path = folder / _FILE
    if not path.is_file() or path.read_bytes() != text.encode():
        with atomic_file(path) as file:
            file.write(text)


def read_options(folder: str | Path) -> RecipeOptions:
    """Read the options of an existing recipe.

    Args:
        folder: the recipe's folder.

    Raises:
        DataError: the folder holds no recipe, or its options are damaged.
    """
    path = Path(folder) / _FILE
    if not path.exists():
        path = path.with_name(_EARLIER_FILE)
    if not path.exists():
        raise DataError(f"{folder}: holds no recipe; start one with: cnn-mellin recipe CORPUS {folder}")
    remedy = "run the recipe again with all its options"
    try:
        text = read_text(path, DataError)
        content: Any = parse_json(text, path) if path.suffix == ".json" else parse_yaml(text, path)
    except DataError as error:
        raise DataError(f"{error}; {remedy}") from None
    fault = shape_fault(content, _SHAPE)
    if fault is None and content.get("corpus_kind") not in _KINDS:
        fault = f"corpus_kind is {content['corpus_kind']!r}, not one of {', '.join(_KINDS)}"
    if fault is not None:
        raise DataError(f"{path}: is damaged ({fault}); {remedy}")
    try:
        content = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
        sizes: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in content.pop("sizes").items()
        }
        return RecipeOptions(**content, sizes=RecipeSizes(**sizes))
    except TypeError as error:  # an unknown name
        raise DataError(f"{path}: is damaged ({error}); {remedy}") from None


def _shown(value: int | tuple[Any, ...]) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
