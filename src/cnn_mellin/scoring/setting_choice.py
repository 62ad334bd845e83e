"""Choice of a system's decoding options on a partition that is not reported."""

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
    reported: str,
    choose_on: str,
    references: Callable[[], _Transcripts],
    read: Callable[[Path], _Transcripts],
    convention: Convention = "kaldi",
) -> tuple[str, dict[str, float]]:
    """Choose the decoding options with the lowest mean phone error rate over the seeds on partition `choose_on`.

    Args:
        system: transcripts of the system.
        reported: name of the partition that is reported.
        choose_on: name of the partition to choose on.
        references: function that returns the references of `choose_on`; called only if there is a choice.
        read: function that returns the transcripts in a file.
        convention: convention for scoring silence.

    Returns:
        Name of the decoding options (the first by name, if several are equally good), and for each candidate its mean
        phone error rate on `choose_on` in percent (empty if the system has only one candidate).

    Raises:
        DataError: `choose_on` is the reported partition, or the two were not decoded with the same decoding options
            and seeds.
    """
    candidates = system.settings(reported)
    if len(candidates) == 1:
        return next(iter(candidates)), {}
    if choose_on == reported:
        raise DataError(
            f"{system.path}: has {len(candidates)} decoding options, which cannot be chosen on {reported!r}, the "
            "partition that is reported: its phone error rate would be biased; choose on a development partition"
        )
    tried = system.settings(choose_on)
    untried = sorted(set(candidates) ^ set(tried))
    if untried:
        raise DataError(
            f"{system.path}: decoding options {', '.join(untried)} were used on only one of {reported} and "
            f"{choose_on}; decode the other partition with them too"
        )
    spoken = references()
    means: dict[str, float] = {}
    for setting, files in tried.items():
        if set(files) != set(candidates[setting]):
            raise DataError(f"{system.path}: {choose_on} and {reported} were decoded with different seeds")
        rates = []
        for file in files.values():
            try:
                rates.append(phone_error_rate(spoken, read(file), convention).percent)
            except DataError as error:
                raise DataError(f"{file}: {error}") from None
        means[setting] = SeedSummary.of(rates).mean
    return min(means, key=lambda setting: (means[setting], setting)), means
