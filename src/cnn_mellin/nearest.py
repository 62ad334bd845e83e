"""Suggestions for an unknown name in error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["close_name", "nearest"]


def close_name(name: str, known: Iterable[str]) -> str | None:
    """Known name that is most similar to a name, or None if none is similar.

    >>> close_name("trian", ["train", "decode"])
    'train'
    """
    return next(iter(difflib.get_close_matches(str(name), sorted(known), n=1)), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """Phrase that suggests the most similar known name, or lists all of them if none is similar.

    >>> nearest("window_sise", ["window_size", "seed"])
    "did you mean 'window_size'?"
    >>> nearest("xyz", ["window_size", "seed"])
    'choose from seed, window_size'
    """
    known = sorted(known)
    close = close_name(name, known)
    return f"did you mean {close!r}?" if close else f"choose from {', '.join(known)}"
