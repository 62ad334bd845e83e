from pathlib import Path

import pytest

from cnn_mellin.data.exchange.kaldi_folders import write_kaldi
from cnn_mellin.data.exchange.labelled_audio import LabelledAudio, Recording
from cnn_mellin.errors import DataError


def utterance(name, path, first=0, end=100, speaker="mary"):
    return LabelledAudio(name, speaker, ("a", "b"), (), (), 1.0, Recording(100, 300, Path(path)), first, end)


def test_recordings_of_several_utterances_have_segments(tmp_path):
    utterances = [
        utterance("u1", "/x/all.wav", 0, 100),
        utterance("u2", "/x/all.wav", 100, 300, speaker="ann"),
        utterance("u3", "/y/all.wav", 50, 60),
        utterance("u4", "/y/a (1).wav", 0, 10),
        utterance("u5", "/y/whole.wav", 0, 300),
    ]
    assert write_kaldi("dev", utterances, tmp_path, tmp_path) == 5
    found = {path.name: path.read_text().splitlines() for path in (tmp_path / "dev").iterdir()}
    assert found == {
        "text": [f"u{i} a b" for i in range(1, 6)],
        "utt2spk": ["u1 mary", "u2 ann", "u3 mary", "u4 mary", "u5 mary"],
        "spk2utt": ["ann u2", "mary u1 u3 u4 u5"],
        "wav.scp": ["all /x/all.wav", "all-2 /y/all.wav", "recording /y/a (1).wav", "u5 /y/whole.wav"],
        "segments": ["u1 all 0.0 1.0", "u2 all 1.0 3.0", "u3 all-2 0.5 0.6", "u4 recording 0.0 0.1", "u5 u5 0.0 3.0"],
    }


def test_an_utterance_may_have_the_name_of_a_recording(tmp_path):
    utterances = [utterance("a", "/x/b.wav", 0, 100), utterance("b", "/y/b.wav", 0, 300)]
    write_kaldi("dev", utterances, tmp_path, tmp_path)
    assert (tmp_path / "dev" / "wav.scp").read_text() == "b /x/b.wav\nb-2 /y/b.wav\n"
    assert (tmp_path / "dev" / "segments").read_text() == "a b 0.0 1.0\nb b-2 0.0 3.0\n"


@pytest.mark.parametrize("path", ["/x/a.wav ", "/x/a\n.wav", "/x/sox |"])
def test_paths_that_wav_scp_cannot_hold_are_refused(tmp_path, path):
    with pytest.raises(DataError, match=r"cannot be named in wav.scp; rename it"):
        write_kaldi("dev", [utterance("u", path, 0, 300)], tmp_path, tmp_path)
