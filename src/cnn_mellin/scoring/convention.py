"""Conventions of scoring silence; results compare only under the same one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, get_args

from cnn_mellin.scoring.alignment import align

__all__ = ["CONVENTIONS", "SILENCE", "Convention", "align_by_convention", "is_right"]

Convention = Literal["kaldi", "merge-sil", "optional-sil"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
SILENCE = "sil"


def align_by_convention(
    reference: Sequence[str], hypothesis: Sequence[str], convention: Convention
) -> list[tuple[str | None, str | None]]:
    """Pairs of reference and hypothesis phones, as `align` gives them.

    Args:
        reference, hypothesis: phones.
        convention: `kaldi` scores every silence; `merge-sil` merges neighbouring silences of either side into one,
            then scores it; `optional-sil` lets silence of the reference be missing.

    Raises:
        ValueError: the convention is not known.

    >>> align_by_convention(["sil", "sil", "t"], ["sil", "t"], "merge-sil")
    [('sil', 'sil'), ('t', 't')]
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}; it must be one of {', '.join(CONVENTIONS)}")
    if convention == "merge-sil":
        return align(_merged(reference), _merged(hypothesis))
    return align(reference, hypothesis, optional=SILENCE if convention == "optional-sil" else None)


def is_right(pair: tuple[str | None, str | None], convention: Convention) -> bool:
    """Whether a pair is no error: both phones are the same, or the convention lets this one be missing.

    >>> is_right(("sil", None), "kaldi"), is_right(("sil", None), "optional-sil")
    (False, True)
    """
    return pair[0] == pair[1] or (convention == "optional-sil" and pair == (SILENCE, None))


def _merged(phones: Sequence[str]) -> list[str]:
    """Phones in which neighbouring silences are one."""
    merged: list[str] = []
    for phone, run in itertools.groupby(phones):
        merged.extend([phone] if phone == SILENCE else run)
    return merged
