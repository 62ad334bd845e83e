"""An utterance of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["TimedPhone", "TimedWord", "Utterance"]


@dataclass(frozen=True, slots=True)
class TimedPhone:
    """A phone and the samples it lasts, the end not included."""

    symbol: str
    first_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word and the samples it lasts, the end not included."""

    word: str
    first_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording and what is said in it.

    Args:
        utterance_id: unique in the corpus.
        speaker: who speaks.
        audio_path: the recording.
        phones: in order, with times; empty where only `transcript` is known.
        gender: f, m, or empty where it is not known.
        dialect: empty where it is not known.
        part: of the corpus (train or test), where it has parts.
        text: the sentence, empty where it is not known.
        words: in order; empty where they are not known. Neighbours may share samples.
        transcript: symbols in order, where their times are not known.
        start_s, end_s: of the utterance within its recording; an end of None is the recording's.
    """

    utterance_id: str
    speaker: str
    audio_path: Path
    phones: tuple[TimedPhone, ...]
    gender: str = ""
    dialect: str = ""
    part: str = ""
    text: str = ""
    words: tuple[TimedWord, ...] = ()
    transcript: tuple[str, ...] = ()
    start_s: float = 0.0
    end_s: float | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Symbols in order: of the phones, or of the transcript where there are no phones."""
        return tuple(phone.symbol for phone in self.phones) or self.transcript
