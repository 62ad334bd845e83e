"""What a recipe is told: its corpus, features, models, seeds and sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import read_json
from cnn_mellin.nearest import nearest

__all__ = ["RecipeOptions", "RecipeSizes", "read_options", "write_options"]

_GIB = 1024**3
_FILE = "recipe.json"


@dataclass(frozen=True)
class RecipeSizes:
    """How large each part of a recipe is.

    Args:
        num_trials_sm, num_trials_lg, num_trials_md: of the searches.
        num_workers: of each search, at once.
        top_k_lg, top_k_md: most important settings that the next search varies.
        mem_limit_bytes_sm, mem_limit_bytes_lg, mem_limit_bytes_md: of each training of a search.
        search_epochs: of each training of the search for models; 0 is what its settings say.
        num_epochs: of the final trainings; 0 is what their settings say.
        beam_widths, lm_betas: of the decoding with a language model, chosen among on dev.
        speaking_rates: that test audio is changed to.
        num_data_workers: of each training of a search.
        replications: of the bootstrap.
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
    beam_widths: tuple[int, ...] = (16,)
    lm_betas: tuple[float, ...] = (0.2, 0.4, 0.6)
    speaking_rates: tuple[float, ...] = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)
    num_data_workers: int = 4
    replications: int = 10000

    def updated(self, changes: Mapping[str, str]) -> RecipeSizes:
        """The same with some sizes changed, given as text.

        Raises:
            SettingsError: a name or value is wrong.

        >>> RecipeSizes().updated({"num_workers": "2", "lm_betas": "0.3,0.5"}).lm_betas
        (0.3, 0.5)
        """
        known = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        parsed: dict[str, Any] = {}
        for name, text in changes.items():
            if name not in known:
                raise SettingsError(f"--set {name}={text}: is no size of the recipe; {nearest(name, known)}")
            now = known[name]
            several = isinstance(now, tuple)
            kind = type(now[0]) if isinstance(now, tuple) else int
            try:
                values = [kind(value) for value in (text.split(",") if several else [text])]
            except ValueError:
                shape = f"{kind.__name__}s divided by commas" if several else "a whole number"
                raise SettingsError(f"--set {name}={text}: must be {shape}, such as {name}={_shown(now)}") from None
            least = 0 if name in ("search_epochs", "num_epochs", "num_data_workers", "lm_betas") else 1
            if any(not (0.3 <= value <= 3 if name == "speaking_rates" else value >= least) for value in values):
                rule = "lie in 0.3..3" if name == "speaking_rates" else f"be at least {least}"
                raise SettingsError(f"--set {name}={text}: must {rule}")
            parsed[name] = tuple(values) if several else values[0]
        return replace(self, **parsed)


def tiny_sizes() -> RecipeSizes:
    """Sizes with which everything runs in minutes."""
    return RecipeSizes(
        num_trials_sm=4,
        num_trials_lg=3,
        num_trials_md=3,
        num_workers=2,
        top_k_lg=2,
        top_k_md=2,
        search_epochs=1,
        speaking_rates=(0.8, 1.0, 1.25),
        num_data_workers=0,
    )


@dataclass(frozen=True)
class RecipeOptions:
    """A recipe.

    Args:
        corpus: absolute path of the corpus.
        corpus_kind: timit, kaldi or table.
        prep_options: more arguments of `cnn-mellin prep`.
        features: feature types, or files NAME.json (absolute).
        models: of lcorr and mcorr.
        num_seeds: of the final trainings; they are 1 to this.
        start: `MODEL`, `MODEL-FEATURES` or empty -> file with the final settings where there is no search.
        tiny: small models for a demonstration.
        search: whether to search for the settings.
        db_url: of the searches; empty is a file in the recipe's folder.
        device: of trainings.
        sizes: of each part.
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
    sizes: RecipeSizes = field(default_factory=RecipeSizes)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the feature types, without folder and ending."""
        return tuple(Path(name).stem if name.endswith(".json") else name for name in self.features)


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
    "sizes": {
        f"{entry.name}?": [type(entry.default[0])] if isinstance(entry.default, tuple) else int
        for entry in fields(RecipeSizes)
    },
}


def corpus_kind_of(corpus: Path) -> str:
    """What a corpus is, by what it holds.

    Raises:
        SettingsError: it does not exist.
    """
    if corpus.is_file():
        return "table"
    if not corpus.is_dir():
        raise SettingsError(f"{corpus}: does not exist; name a corpus: TIMIT's folder, Kaldi's folders or a table")
    if (corpus / "wav.scp").exists() or (corpus / "train" / "wav.scp").exists():
        return "kaldi"
    return "timit"


def write_options(folder: Path, options: RecipeOptions) -> None:
    """Keep the options in the recipe's folder."""
    with atomic_file(folder / _FILE) as file:
        json.dump(asdict(options), file, indent=1)
        file.write("\n")


def read_options(folder: str | Path) -> RecipeOptions:
    """The options of a recipe that was begun.

    Raises:
        DataError: the folder holds none, or they are damaged.
    """
    path = Path(folder) / _FILE
    if not path.exists():
        raise DataError(f"{folder}: holds no recipe; begin one with: cnn-mellin recipe CORPUS {folder}")
    remedy = "run the recipe again with all its options"
    try:
        content = read_json(path)
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
    except TypeError as error:  # a name that no recipe has
        raise DataError(f"{path}: is damaged ({error}); {remedy}") from None


def _shown(value: int | tuple[Any, ...]) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
