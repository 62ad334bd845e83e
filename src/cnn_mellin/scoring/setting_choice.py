"""Choice of a system's decoder settings, on a part that is not reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cnn_mellin.errors import DataError
from cnn_mellin.scoring.convention import Convention
from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.seed_summary import SeedSummary
from cnn_mellin.scoring.system_folder import SystemFolder

__all__ = ["choose_setting"]

_Transcripts = Mapping[str, Sequence[str]]


def choose_setting(
    system: SystemFolder,
    part: str,
    choose_on: str,
    references: Callable[[], _Transcripts],
    read: Callable[[Path], _Transcripts],
    convention: Convention = "kaldi",
) -> tuple[str, dict[str, float]]:
    """The setting with the lowest mean phone error rate over the seeds on another part than the one reported.

    Args:
        system: where its transcripts are.
        part: that is reported.
        choose_on: part to choose on.
        references: gives the references of `choose_on`; called where there is a choice.
        read: gives the transcripts of a file.
        convention: of scoring silence.

    Returns:
        The setting, of equal ones the first by name; and the mean rate of each on `choose_on`, in percent (nothing
        where the system has one setting alone).

    Raises:
        DataError: the parts are one, the settings of one were not tried on the other, or seeds differ.
    """
    candidates = system.settings(part)
    if len(candidates) == 1:
        return next(iter(candidates)), {}
    if choose_on == part:
        raise DataError(
            f"{system.path}: has {len(candidates)} settings, and choosing among them on {part!r}, which is reported, "
            "is refused: its rate would be too good; choose on a development part"
        )
    tried = system.settings(choose_on)
    untried = sorted(set(candidates) ^ set(tried))
    if untried:
        raise DataError(
            f"{system.path}: settings {', '.join(untried)} were tried on one of {part} and {choose_on} alone"
        )
    spoken = references()
    means: dict[str, float] = {}
    for setting, files in tried.items():
        if set(files) != set(candidates[setting]):
            raise DataError(f"{system.path}: {choose_on} and {part} were decoded with other seeds")
        rates = []
        for file in files.values():
            try:
                rates.append(phone_error_rate(spoken, read(file), convention).percent)
            except DataError as error:
                raise DataError(f"{file}: {error}") from None
        means[setting] = SeedSummary.of(rates).mean
    return min(means, key=lambda setting: (means[setting], setting)), means
