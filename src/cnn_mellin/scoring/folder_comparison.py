"""Comparison of systems whose transcripts lie in folders, the decoder's setting of each chosen on another part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cnn_mellin.errors import DataError, UserError
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
    """The decoder's setting that a system is reported with.

    Args:
        setting: its name, empty where the system has one alone.
        percent: setting -> mean phone error rate on the part that it was chosen on; empty without a choice.
    """

    setting: str
    percent: Mapping[str, float]


@dataclass(frozen=True)
class FolderComparison:
    """The result.

    Args:
        part: that is reported.
        choose_on: part that settings were chosen on.
        choices: system -> its setting.
        comparison: of the systems with these settings.
    """

    part: str
    choose_on: str
    choices: dict[str, ChosenSetting]
    comparison: Comparison


def compare_folders(
    systems: Sequence[Path],
    references: Path,
    *,
    part: str = "test",
    choose_on: str = "dev",
    convention: Convention = "kaldi",
    fold: bool = True,
    utt2spk: Path | None = None,
    replications: int = 10000,
    seed: int = 0,
) -> FolderComparison:
    """Compare systems as `cnn-mellin compare` does.

    Args:
        systems: folders of transcripts SEED/PART.trn or SEED/PART.SETTING.trn; systems are named as their folders.
        references: folder with PART.ref.trn.
        part: to report.
        choose_on: part to choose settings on.
        convention: of scoring silence.
        fold: fold TIMIT's phones to 39 first.
        utt2spk: file of lines 'utterance speaker'; by default as `speakers_of` finds them.
        replications: draws of the bootstrap.
        seed: of the draws.

    Raises:
        UserError: a system is named twice.
        DataError: a file is missing or damaged, or transcripts are of other utterances than the references.
    """
    read = partial(read_phones, fold=fold)
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
    """The folders' own names, or their paths where two are the same."""
    names = [path.resolve().name for path in systems]
    if len(set(names)) < len(names):
        names = [str(path) for path in systems]
    if len(set(names)) < len(names):
        raise UserError(f"{', '.join(names)}: a system is named twice; name each once")
    return names


def _check_utterances(file: Path, hypotheses: dict[str, list[str]], references: dict[str, list[str]]) -> None:
    for what, names in (
        ("lacks", sorted(set(references) - set(hypotheses))),
        ("has", sorted(set(hypotheses) - set(references))),
    ):
        if names:
            other = "of the references" if what == "lacks" else "that have no reference"
            raise DataError(f"{file}: {what} {len(names)} utterances {other}: {name_utterances(names)}")
