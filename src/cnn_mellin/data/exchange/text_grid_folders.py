"""Writing partitions as Praat TextGrids beside audio files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cnn_mellin.data.exchange.labelled_audio import LabelledAudio, Segment
from cnn_mellin.formats.text_grid import Interval, IntervalTier, write_text_grid

__all__ = ["write_text_grids"]


def write_text_grids(partition: str, utterances: Iterable[LabelledAudio], folder: Path, final: Path) -> int:
    """Write `PARTITION/SPEAKER/UTTERANCE.TextGrid`, and the audio of the utterance beside it.

    Phones with known times are the tier `phones`; without times, the tier `transcript` has one interval with all
    symbols. A model's alignment is the tier `aligned`. The arguments and the result are those of `write_kaldi`.
    """
    del final  # no file names another
    count = 0
    for utterance in utterances:
        count += 1
        place = folder / partition / utterance.speaker
        place.mkdir(parents=True, exist_ok=True)
        duration_s = utterance.duration_s
        if utterance.segments:
            tiers = [_tier("phones", utterance.segments, duration_s)]
        else:
            whole = Interval(0.0, duration_s, " ".join(utterance.symbols))
            tiers = [IntervalTier("transcript", (whole,))]
        if utterance.aligned:
            tiers.append(_tier("aligned", utterance.aligned, duration_s))
        write_text_grid(place / f"{utterance.utterance_id}.TextGrid", duration_s, tiers)
        if utterance.recording is not None:
            suffix, content = utterance.audio()
            (place / f"{utterance.utterance_id}{suffix}").write_bytes(content)
    return count


def _tier(name: str, segments: Sequence[Segment], duration_s: float) -> IntervalTier:
    """Tier of segments; where two overlap, the earlier one is cut, as intervals cannot overlap."""
    starts = [start_s for start_s, _, _ in segments[1:]] + [duration_s]
    intervals = [
        Interval(min(start_s, duration_s), max(min(end_s, following, duration_s), min(start_s, duration_s)), symbol)
        for (start_s, end_s, symbol), following in zip(segments, starts, strict=True)
    ]
    return IntervalTier(name, tuple(intervals))
