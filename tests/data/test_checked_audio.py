import os
import time

import pytest

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.checked_audio import AudioRecord, CheckedAudio

AUDIO = CheckedAudio(bytes(31) + b"\x01", 4000, 8000, 2)


@pytest.fixture
def utterance(tmp_path, monkeypatch) -> Utterance:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a.wav").write_bytes(b"some")
    time.sleep(0.03)  # a state of the current tick is not recorded
    return Utterance("a", "mary", tmp_path / "a.wav", ())


def remember(utterance: Utterance, what: str = "train") -> None:
    with AudioRecord(what) as record:
        assert record.entry(utterance) is None
        record.remember(utterance, AUDIO)


def found(utterance: Utterance, what: str = "train", *, anew: bool = False) -> CheckedAudio | None:
    with AudioRecord(what, anew=anew) as record:
        return record.entry(utterance)


def test_audio_is_known_until_its_file_changes(utterance):
    remember(utterance)
    for _ in range(2):  # reading a record keeps it
        known = found(utterance)
        assert known == AUDIO
        assert known.duration_s == 0.5
    assert found(utterance, "dev") is None
    utterance.audio_path.write_bytes(b"same")
    os.utime(utterance.audio_path)
    assert found(utterance) is None


def test_digests_that_end_in_zeros_are_kept(utterance):
    with AudioRecord("train") as record:
        record.entry(utterance)
        record.remember(utterance, AUDIO._replace(digest=b"\x01" + bytes(31)))
    known = found(utterance)
    assert known is not None
    assert known.digest == b"\x01" + bytes(31)


def test_a_record_anew_knows_nothing(utterance):
    remember(utterance)
    assert found(utterance, anew=True) is None
    assert found(utterance) is None  # what was not confirmed is forgotten


def test_audio_of_the_current_tick_is_not_recorded(utterance):
    utterance.audio_path.write_bytes(b"just")
    os.utime(utterance.audio_path, (time.time() + 60,) * 2)  # how far the clock goes meanwhile does not matter
    remember(utterance)
    assert found(utterance) is None


def test_only_what_is_used_stays_in_a_record(utterance, tmp_path):
    remember(utterance)
    other = Utterance("b", "mary", tmp_path / "b.wav", ())
    other.audio_path.write_bytes(b"other")
    time.sleep(0.03)
    remember(other)
    assert found(utterance) is None


def test_what_was_read_before_an_error_is_recorded(utterance):
    def interrupted() -> None:
        with AudioRecord("train") as record:
            record.entry(utterance)
            record.remember(utterance, AUDIO)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert found(utterance) == AUDIO
