"""Choice of speakers for a partition that shares none with the others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

__all__ = ["held_out_speakers"]


def held_out_speakers(num_utterances: Mapping[str, int], proportion: float) -> list[str]:
    """Choose speakers who have about a proportion of all utterances; the choice is deterministic.

    Speakers are taken in the order of a hash of their names, until their utterances are as close as possible to the
    proportion. At least one is taken, and at least one is left.

    Args:
        num_utterances: speaker -> number of utterances, for at least 2 speakers.
        proportion: proportion of the utterances to take, between 0 and 1.

    Raises:
        ValueError: there are fewer than 2 speakers.

    >>> held_out_speakers({"ann": 10, "bob": 10, "eve": 10}, 0.3)
    ['ann']
    """
    if len(num_utterances) < 2:
        raise ValueError(f"num_utterances has {len(num_utterances)} speakers; a choice needs at least 2")
    order = sorted(num_utterances, key=lambda speaker: hashlib.sha256(speaker.encode()).hexdigest())
    wanted, taken = proportion * sum(num_utterances.values()), num_utterances[order[0]]
    number = 1
    for speaker in order[1:-1]:
        more = num_utterances[speaker]
        if abs(taken + more - wanted) > abs(taken - wanted):
            break
        taken, number = taken + more, number + 1
    return order[:number]
