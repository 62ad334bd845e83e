"""Records of the utterances of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["TimedPhone", "TimedWord", "Utterance"]


@dataclass(frozen=True, slots=True)
class TimedPhone:
    """A phone with its first sample and the sample after its last one."""

    symbol: str
    first_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word with its first sample and the sample after its last one."""

    word: str
    first_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance: a recording, or a span of one, with its transcript.

    Args:
        utterance_id: id that is unique in the corpus.
        speaker: id of the speaker.
        audio_path: path of the recording.
        phones: phones in order, with times; empty if only `transcript` is known.
        gender: f, m, or empty if unknown.
        dialect: dialect of the speaker; empty if unknown.
        part: partition, or TIMIT's own part (train or test); empty if there is none.
        text: sentence; empty if unknown.
        words: words in order, with times; empty if unknown. Adjacent words may share samples.
        transcript: symbols in order, if their times are unknown.
        start_s, end_s: span of the utterance in its recording, in seconds; an end of None is the end of the recording.
        sample_rate_hz: sample rate that the samples of phones and words refer to; None is the recording's own.
        speed: how many times faster than recorded it is played, with its pitch; a copy for training unless it is 1.
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
    sample_rate_hz: int | None = None
    speed: float = 1.0

    @property
    def labels(self) -> tuple[str, ...]:
        """Symbols in order: those of the phones or, without phones, the transcript."""
        return tuple(phone.symbol for phone in self.phones) or self.transcript
