"""Checks that a published corpus is whole: its counts are those that its authors distribute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnn_mellin.errors import CorpusError

__all__ = ["require_counts"]


def require_counts(root: str | Path, name: str, found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Check the counts of a corpus.

    Args:
        root: folder of the corpus, for the message.
        name: name of the corpus.
        found: what is counted -> number in this copy.
        expected: the same for the whole corpus.

    Raises:
        CorpusError: a number is different; the message names each.

    >>> require_counts("digits", "FSDD", {"speakers": 6}, {"speakers": 6})
    """
    wrong = [f"{found[what]} {what}, not {number}" for what, number in expected.items() if found[what] != number]
    if wrong:
        raise CorpusError(
            root, None, f"is not the whole {name}: it has {'; '.join(wrong)}; use partial=True to accept it"
        )
