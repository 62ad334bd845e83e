"""Comparison of systems from folders of transcripts, with decoding options chosen on another partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cnn_mellin.errors import DataError, UserError
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.speakers import speakers_of
from cnn_mellin.formats.transcripts import read_phones
from cnn_mellin.scoring.convention import Convention
from cnn_mellin.scoring.setting_choice import choose_setting
from cnn_mellin.scoring.significance.comparison import Comparison, compare_systems
from cnn_mellin.scoring.system_folder import SystemFolder
from cnn_mellin.utterance_names import name_utterances

__all__ = ["ChosenSetting", "FolderComparison", "compare_folders"]


@dataclass(frozen=True)
class ChosenSetting:
    """Decoding options chosen for a system.

    Args:
        setting: name of the decoding options; empty if the transcripts are named without it.
        percent: name of the decoding options -> mean phone error rate in percent on the partition that they were chosen
            on; empty if there was no choice.
    """

    setting: str
    percent: Mapping[str, float]


@dataclass(frozen=True)
class FolderComparison:
    """Result of `compare_folders`.

    Args:
        part: name of the partition that is reported.
        choose_on: name of the partition that decoding options were chosen on.
        choices: system -> its decoding options.
        comparison: comparison of the systems with these decoding options.
    """

    part: str
    choose_on: str
    choices: dict[str, ChosenSetting]
    comparison: Comparison

    def as_dict(self) -> dict[str, Any]:
        """Content for JSON: `part`, `choose_on`, `choices` and all of `Comparison.as_dict`.

        `choices` maps each system to its `setting`, and to `percent` as in `ChosenSetting`.
        """
        choices = {
            name: {"setting": choice.setting, "percent": choice.percent} for name, choice in self.choices.items()
        }
        return {"part": self.part, "choose_on": self.choose_on, "choices": choices, **self.comparison.as_dict()}


def compare_folders(
    systems: Sequence[Path],
    references: Path,
    *,
    part: str = "test",
    choose_on: str = "dev",
    convention: Convention = "kaldi",
    fold: bool | None = None,
    utt2spk: Path | None = None,
    replications: int = 10000,
    seed: int = 0,
) -> FolderComparison:
    """Compare systems whose transcripts are in folders.

    Args:
        systems: one folder per system, with transcripts SEED/PART.trn or SEED/PART.SETTING.trn; each system is named
            after its folder.
        references: folder with PART.ref.trn.
        part: name of the partition to report.
        choose_on: name of the partition to choose decoding options on.
        convention: convention for scoring silence.
        fold: fold TIMIT's phones to the 39 set before scoring; None for what `references` records, or True without a
            record.
        utt2spk: file with one line 'utterance speaker' per utterance; by default `speakers_of` looks for it.
        replications: number of bootstrap replications.
        seed: seed of the bootstrap and of the permutation tests.

    Raises:
        UserError: a system is named twice.
        DataError: a file is missing or damaged, or the transcripts and the references hold different utterances.
    """
    read = partial(read_phones, fold=is_folded(references) if fold is None else fold)
    reported = read(references / f"{part}.ref.trn")
    hypotheses: dict[str, list[dict[str, list[str]]]] = {}
    seed_names: dict[str, list[str]] = {}
    choices = {}
    for name, path in zip(_names(systems), systems, strict=True):
        folder = SystemFolder.read(path)
        setting, percent = choose_setting(
            folder, part, choose_on, lambda: read(references / f"{choose_on}.ref.trn"), read, convention
        )
        choices[name] = ChosenSetting(setting, percent)
        hypotheses[name] = []
        seed_names[name] = list(folder.settings(part)[setting])
        for file in folder.settings(part)[setting].values():
            hypotheses[name].append(read(file))
            _check_utterances(file, hypotheses[name][-1], reported)
    speaker_of = speakers_of(reported, references, utt2spk)
    try:
        result = compare_systems(
            reported,
            hypotheses,
            speaker_of,
            convention,
            seed_names=seed_names,
            replications=replications,
            seed=seed,
        )
    except ValueError as error:
        raise DataError(f"{references / part}.ref.trn: {error}") from None
    return FolderComparison(part, choose_on, choices, result)


def _names(systems: Sequence[Path]) -> list[str]:
    """Names of the folders, or their paths if two names are equal."""
    names = [path.resolve().name for path in systems]
    if len(set(names)) < len(names):
        names = [str(path) for path in systems]
    if len(set(names)) < len(names):
        raise UserError(f"{', '.join(names)}: a system is named twice; name each system once")
    return names


def _check_utterances(file: Path, hypotheses: dict[str, list[str]], references: dict[str, list[str]]) -> None:
    for what, names in (
        ("lacks", sorted(set(references) - set(hypotheses))),
        ("has", sorted(set(hypotheses) - set(references))),
    ):
        if names:
            other = "of the references" if what == "lacks" else "that have no reference"
            raise DataError(f"{file}: {what} {len(names)} utterances {other}: {name_utterances(names)}")
