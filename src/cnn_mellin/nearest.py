"""The end of a message about an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all of them where none is near.

    >>> nearest("window_sise", ["window_size", "seed"])
    "the nearest known is 'window_size'"
    >>> nearest("xyz", ["window_size", "seed"])
    'known are seed, window_size'
    """
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"the nearest known is {close[0]!r}" if close else f"known are {', '.join(known)}"
