"""Lists of utterances in messages."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["name_utterances"]


def name_utterances(utterance_ids: Sequence[str], most: int = 5) -> str:
    """List the first utterances, and the number of the others.

    Args:
        utterance_ids: ids to list.
        most: maximum number of ids to list.

    >>> name_utterances(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    named = ", ".join(utterance_ids[:most])
    return f"{named} and {len(utterance_ids) - most} more" if len(utterance_ids) > most else named
