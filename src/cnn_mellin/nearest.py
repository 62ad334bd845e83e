"""The end of a message about an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["close_name", "nearest"]


def close_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearly the same, or None where none is.

    >>> close_name("trian", ["train", "decode"])
    'train'
    """
    return next(iter(difflib.get_close_matches(str(name), sorted(known), n=1)), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all of them where none is near.

    >>> nearest("window_sise", ["window_size", "seed"])
    "the nearest known is 'window_size'"
    >>> nearest("xyz", ["window_size", "seed"])
    'known are seed, window_size'
    """
    known = sorted(known)
    close = close_name(name, known)
    return f"the nearest known is {close!r}" if close else f"known are {', '.join(known)}"
