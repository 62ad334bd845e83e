"""Copies of training utterances at other speeds: resampled, so that pitch and formants change with the speaking rate.

Ko et al., 2015, "Audio augmentation for speech recognition", call this speed perturbation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.checked_audio import CheckedAudio
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError, SettingsError

__all__ = ["original_of_speed_copies", "require_speeds", "with_speed_copies"]

_SLOWEST, _FASTEST = 0.5, 2.0


def require_speeds(speeds: Sequence[float]) -> None:
    """Raise a SettingsError unless all speeds lie in 0.5..2 and differ from each other and from 1.

    >>> require_speeds([0.9, 1.1])
    """
    for speed in speeds:
        if not _SLOWEST <= speed <= _FASTEST:
            raise SettingsError(f"speed {speed:g}: must lie in {_SLOWEST:g}..{_FASTEST:g}")
        if speed == 1:
            raise SettingsError("speed 1: is that of the recordings, which are always there; leave it out")
    if len(set(speeds)) < len(speeds):
        raise SettingsError(f"speeds {', '.join(f'{speed:g}' for speed in speeds)}: one is named twice; leave it out")


def with_speed_copies(
    utterances: Sequence[Utterance], speeds: Sequence[float], audio: dict[str, CheckedAudio]
) -> list[Utterance]:
    """Utterances, each followed by its copies, named UTTERANCE_speed0.9 and so on.

    Args:
        utterances: utterances at the speed of their recordings.
        speeds: speeds of the copies; 2 is twice as fast, and an octave higher.
        audio: audio of the utterances by their ids, to which that of the copies is added.

    Raises:
        DataError: a copy has the id of an utterance.

    >>> from pathlib import Path
    >>> audio = {"a": CheckedAudio(b"", 16000, 16000, 1)}
    >>> [u.utterance_id for u in with_speed_copies([Utterance("a", "mary", Path("a.wav"), ())], [0.9], audio)]
    ['a', 'a_speed0.9']
    """
    found = []
    for utterance in utterances:
        found.append(utterance)
        checked = audio[utterance.utterance_id]
        for speed in speeds:
            name = _name_of_copy(utterance.utterance_id, speed)
            if name in audio:
                raise DataError(f"utterance {name}: has the id of a copy at another speed; rename it")
            audio[name] = checked
            # Labels count the samples of the recording, of which so many more are played in a second.
            label_hz = round((utterance.sample_rate_hz or checked.sample_rate_hz) * speed)
            found.append(replace(utterance, utterance_id=name, sample_rate_hz=label_hz, speed=speed))
    return found


def original_of_speed_copies(partition: UtteranceData) -> dict[str, str]:
    """Ids of the copies at other speeds whose utterance is in the partition, too, each with that utterance's id."""
    speeds = partition.description.source.get("speeds", {}).get("speeds", [])
    known = set(partition.utterance_ids)
    copies = {_name_of_copy(original, speed): original for original in partition.utterance_ids for speed in speeds}
    return {copy: original for copy, original in copies.items() if copy in known}


def _name_of_copy(utterance_id: str, speed: float) -> str:
    return f"{utterance_id}_speed{speed:g}"
