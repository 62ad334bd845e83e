"""Conventions for scoring silence; only results under the same convention can be compared."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, get_args

from cnn_mellin.scoring.alignment import align

__all__ = ["CONVENTIONS", "SILENCE", "Convention", "align_by_convention", "is_right", "require_convention"]

Convention = Literal["kaldi", "merge-sil", "optional-sil"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
SILENCE = "sil"


def align_by_convention(
    reference: Sequence[str], hypothesis: Sequence[str], convention: Convention
) -> list[tuple[str | None, str | None]]:
    """Align two phone sequences under a convention; returns pairs as `align` does.

    Args:
        reference, hypothesis: phones.
        convention: `kaldi` scores every silence; `merge-sil` first merges adjacent silences, in the reference and in
            the hypothesis; `optional-sil` does not count a deleted silence as an error.

    Raises:
        ValueError: the convention is unknown.

    >>> align_by_convention(["sil", "sil", "t"], ["sil", "t"], "merge-sil")
    [('sil', 'sil'), ('t', 't')]
    """
    require_convention(convention)
    if convention == "merge-sil":
        return align(_merged(reference), _merged(hypothesis))
    return align(reference, hypothesis, optional=SILENCE if convention == "optional-sil" else None)


def is_right(pair: tuple[str | None, str | None], convention: Convention) -> bool:
    """Decide whether a pair is correct: both phones are equal, or it is a deletion that the convention allows.

    >>> is_right(("sil", None), "kaldi"), is_right(("sil", None), "optional-sil")
    (False, True)
    """
    return pair[0] == pair[1] or (convention == "optional-sil" and pair == (SILENCE, None))


def require_convention(convention: str) -> None:
    """Raise a ValueError for an unknown convention.

    >>> require_convention("kaldi")
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}; it must be one of {', '.join(CONVENTIONS)}")


def _merged(phones: Sequence[str]) -> list[str]:
    """Phones with each run of adjacent silences merged into one."""
    merged: list[str] = []
    for phone, run in itertools.groupby(phones):
        merged.extend([phone] if phone == SILENCE else run)
    return merged
