"""Results of a recipe, read from the files in its folder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cnn_mellin.errors import DataError
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.speakers import read_speakers, speakers_of
from cnn_mellin.formats.text_file import parse_json, read_text
from cnn_mellin.formats.transcripts import read_phones
from cnn_mellin.recipe.options import RecipeOptions
from cnn_mellin.recipe.plan import DECODERS
from cnn_mellin.training.history import EpochRecord, read_history

__all__ = ["RecipeResults", "read_product"]

_NUMBER = (float, None)
_COMPARISON = {
    "num_utterances": int,
    "num_speakers": int,
    "num_phones": int,
    "convention": str,
    "systems": {
        str: {"values": [float], "mean": float, "sd": _NUMBER, "median": float, "minimum": float, "maximum": float}
    },
    "choices": {str: {"setting": (str, None), "percent?": {str: _NUMBER}}},
    "pairs": [
        {
            "first": str,
            "second": str,
            "bootstrap": {"difference": float, "low": _NUMBER, "high": _NUMBER},
            "permutation_p": float,
            "permutation_p_holm": float,
            "matched_pairs_p_holm": float,
        }
    ],
}
_SCORES = [{"rates": [{"group": str, "name": str, "percent": _NUMBER}]}]


@dataclass(frozen=True)
class RecipeResults:
    """Results of a recipe.

    Args:
        folder: the recipe's folder.
        options: the recipe's options.
    """

    folder: Path
    options: RecipeOptions

    @property
    def systems(self) -> list[str]:
        """Names MODEL-FEATURES of all systems."""
        return [f"{model}-{name}" for name in self.options.feature_names for model in self.options.models]

    @property
    def decoders(self) -> dict[str, str]:
        """Name of a decoder -> description."""
        order = self.options.sizes.lm_order
        model = "a trigram" if order == 3 else f"n-grams of order {order}"
        descriptions = ("greedy search, no language model", f"prefix search with {model}, settings chosen on dev")
        return dict(zip(DECODERS, descriptions, strict=True))

    @cached_property
    def comparisons(self) -> dict[str, Any]:
        """Comparison of all systems under each decoder: name of the decoder -> JSON of `cnn-mellin compare`.

        Raises:
            DataError: there is no comparison under greedy search yet, or a file is damaged.
        """
        comparisons = {name: self.comparison(name) for name in DECODERS}
        if comparisons["greedy"] is None:
            raise DataError(
                f"{self.folder}: has no comparison yet; run the recipe to its end: "
                f"cnn-mellin recipe status {self.folder}"
            )
        return {name: found for name, found in comparisons.items() if found is not None}

    def comparison(self, name: str) -> Any:
        """JSON of `comparison/NAME.json`, None where it does not exist."""
        return read_product(self.folder / "comparison" / f"{name}.json", _COMPARISON)

    def percents(self, name: str, group: str) -> dict[str, list[float]]:
        """Phone error rates in `scores/NAME.json`: name of a speaker or phone -> percent per seed.

        Args:
            name: name of the file, without suffix.
            group: speaker or phone.
        """
        percents: dict[str, list[float]] = {}
        for seed in read_product(self.folder / "scores" / f"{name}.json", _SCORES) or []:
            for row in seed["rates"]:
                if row["group"] == group:
                    percent = math.inf if row["percent"] is None else float(row["percent"])
                    percents.setdefault(row["name"], []).append(percent)
        return percents

    def histories(self) -> dict[str, list[list[EpochRecord]]]:
        """Epochs of all trainings: system -> seed -> records.

        Raises:
            DataError: a history is damaged.
        """
        histories: dict[str, list[list[EpochRecord]]] = {}
        for system in self.systems:
            for seed in range(1, self.options.num_seeds + 1):
                path = self.folder / "models" / system / f"seed{seed}" / "history.csv"
                if path.exists():
                    histories.setdefault(system, []).append(read_history(path))
        return histories

    def median_run(self) -> tuple[str, Path]:
        """The best system under greedy search, and the transcript of its median seed."""
        comparison = self.comparisons["greedy"]
        best = min(comparison["systems"], key=lambda system: comparison["systems"][system]["mean"])
        values = comparison["systems"][best]["values"]
        files = sorted((self.folder / "systems" / best).glob("*/test.trn"))
        middle = sorted(range(len(values)), key=lambda i: values[i])[(len(values) - 1) // 2]
        return best, files[middle]

    def transcripts(self, path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """References of the test partition, and hypotheses of a file; both folded as they are for scoring."""
        ext = self.folder / "data" / self.options.feature_names[0] / "ext"
        fold = is_folded(ext, default=self.options.corpus_kind == "timit")
        return read_phones(ext / "test.ref.trn", fold=fold), read_phones(path, fold=fold)

    def rate_transcripts(
        self, system: str
    ) -> tuple[dict[str, list[str]], list[dict[str, list[str]]], dict[str, float], dict[str, str]] | None:
        """Transcripts of a system at all speaking rates, None where some are missing.

        Returns:
            References; hypotheses of each seed; utterance -> speaking rate; utterance -> speaker.

        Raises:
            DataError: a file is damaged.
        """
        features = next(name for name in self.options.feature_names if system.endswith(f"-{name}"))
        ext = self.folder / "speed" / features / "ext"
        folder = self.folder / "speed" / "systems" / system
        files = [folder / f"seed{seed}" / "test.trn" for seed in range(1, self.options.num_seeds + 1)]
        if not all(path.exists() for path in (ext / "test.ref.trn", ext / "utt2rate", *files)):
            return None
        fold = is_folded(ext, default=self.options.corpus_kind == "timit")
        references = read_phones(ext / "test.ref.trn", fold=fold)
        hypotheses = [read_phones(path, fold=fold) for path in files]
        shown = read_speakers(ext / "utt2rate")
        recorded = {name: name.removesuffix(f"_rate{rate}") for name, rate in shown.items()}
        speaker_of = speakers_of(recorded.values(), self.folder / "data" / features / "ext")
        if any(set(found) != set(references) or not set(found) <= set(shown) for found in (references, *hypotheses)):
            return None
        rate_of = {name: float(rate) for name, rate in shown.items()}
        return references, hypotheses, rate_of, {name: speaker_of[recorded[name]] for name in references}


def read_product(path: Path, shape: Any) -> Any:
    """Content of a JSON file that a step made, None where it does not exist.

    Args:
        path: the file.
        shape: shape of its content, as `shape_fault` takes it.

    Raises:
        DataError: the file is damaged.
    """
    if not path.exists():
        return None
    remedy = "delete it and run the recipe's command again, which makes a new one"
    try:
        content = parse_json(read_text(path), path)
    except DataError as error:
        raise DataError(f"{error}; {remedy}") from None
    fault = shape_fault(content, shape)
    if fault is not None:
        raise DataError(f"{path}: {fault}; {remedy}")
    return content
