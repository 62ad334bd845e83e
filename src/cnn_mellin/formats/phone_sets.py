"""TIMIT's 61 phones, and their folding into 60, 48 and 39 (Lee and Hon, 1989)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cnn_mellin.errors import DataError
from cnn_mellin.nearest import nearest

__all__ = ["PHONE_SETS", "fold_phones", "folding_to", "phone_set"]

PHONE_SETS = (61, 60, 48, 39)


@cache
def folding_to(size: int) -> dict[str, str | None]:
    """Map each phone of any set to the phone set of a size; None for deleted phones.

    Args:
        size: size of the target set: 61, 60, 48 or 39.

    >>> folding_to(39)["ix"], folding_to(39)["sil"], folding_to(48)["q"]
    ('ih', 'sil', None)
    """
    if size not in PHONE_SETS:
        raise ValueError(f"size is {size}; it must be one of {PHONE_SETS}")
    lines = Path(__file__).with_name("phone_folding.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    folding: dict[str, str | None] = {}
    for in_61, in_48, in_39 in rows:
        if size in (61, 60):
            folding[in_61] = None if in_61 == "q" and size == 60 else in_61
            continue
        target = {48: in_48, 39: in_39}[size] or None
        folding[in_61] = target
        if target is None:
            continue
        folding[in_48] = target
        if size == 39:
            folding[in_39] = in_39
    return folding


@cache
def phone_set(size: int) -> tuple[str, ...]:
    """Sorted phones of the phone set of a size.

    >>> [len(phone_set(size)) for size in PHONE_SETS]
    [61, 60, 48, 39]
    """
    return tuple(sorted({phone for phone in folding_to(size).values() if phone is not None}))


def fold_phones(phones: Iterable[str], size: int, where: str = "phones") -> list[str]:
    """Fold phones to a smaller phone set; phones that the folding deletes are left out.

    Args:
        phones: phones of the 61, 60, 48 or 39 set.
        size: size of the target set.
        where: source of the phones, for messages.

    Raises:
        DataError: a phone is not in any of the sets.

    >>> fold_phones(["h#", "q", "ix", "dcl", "d"], 39)
    ['sil', 'ih', 'sil', 'd']
    """
    folding = folding_to(size)
    folded = []
    for phone in phones:
        if phone not in folding:
            raise DataError(f"{where}: {phone!r} is no TIMIT phone; {nearest(phone, folding)}")
        target = folding[phone]
        if target is not None:
            folded.append(target)
    return folded
