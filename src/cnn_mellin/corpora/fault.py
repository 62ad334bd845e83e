"""Faults of single utterances, which readers of corpora may collect instead of ending at the first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cnn_mellin.errors import CorpusError

__all__ = ["Fault", "collected", "fault_kind"]

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PATH = re.compile(r"\S*/\S*|\S+\.(?:wav|flac|sph|phn|txt|wrd)\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.,]*(?<![.,])")


@dataclass(frozen=True)
class Fault:
    """A fault that concerns one utterance only, so that the corpus can be used without it.

    Args:
        utterance_id: id of the utterance.
        error: the error, whose message names the file.
    """

    utterance_id: str
    error: CorpusError


@contextmanager
def collected(faults: list[Fault] | None, utterance_id: str) -> Iterator[None]:
    """Context manager that adds a CorpusError of its block to a list.

    Args:
        faults: list to add to; None lets the error pass.
        utterance_id: id of the utterance that the error concerns.

    >>> faults: list[Fault] = []
    >>> with collected(faults, "mary-1"):
    ...     raise CorpusError("a.wav", None, "is empty")
    >>> faults[0].utterance_id, str(faults[0].error)
    ('mary-1', 'a.wav: is empty')
    """
    try:
        yield
    except CorpusError as error:
        if faults is None:
            raise
        faults.append(Fault(utterance_id, error))


def fault_kind(error: CorpusError) -> str:
    """Message of an error without its values and its remedy, which is equal for all faults of a kind.

    >>> fault_kind(CorpusError("a.wav", None, "holds 12 samples, but 'ix' ends at 99; copy it again"))
    "holds N samples, but '…' ends at N"
    """
    message = error.why.rpartition("; ")[0] or error.why
    return _NUMBER.sub("N", _PATH.sub("FILE", _QUOTED.sub("'…'", message)))
