import pytest

from cnn_mellin.corpora.fsdd import read_fsdd
from cnn_mellin.errors import CorpusError


def test_unseen_speakers_are_dev_and_test(tmp_path, known_corpora):
    partitions = read_fsdd(known_corpora.write_fsdd(tmp_path / "fsdd"), partial=True)
    assert {name: {u.speaker for u in us} for name, us in partitions.items()} == {
        "train": {"george"},
        "dev": {"theo"},
        "test": {"nicolas"},
    }
    first = partitions["test"][0]
    assert (first.utterance_id, first.labels, first.text) == ("nicolas-0-00", ("Z", "IH", "R", "OW"), "0")
    assert len({u.labels for u in partitions["train"]}) == 10
    assert len({phone for u in partitions["train"] for phone in u.labels}) == 19


def test_official_split_is_by_number(tmp_path, known_corpora):
    folder = known_corpora.write_fsdd(tmp_path / "fsdd", ("ann",), 12)
    partitions = read_fsdd(folder / "recordings", official=True, partial=True)
    numbers = {name: {int(u.utterance_id[-2:]) for u in us} for name, us in partitions.items()}
    assert numbers == {"train": {10, 11}, "dev": {5, 6, 7, 8, 9}, "test": {0, 1, 2, 3, 4}}
    with pytest.raises(CorpusError, match="partition dev is empty, as there are only the speakers ann; add recordings"):
        read_fsdd(folder, partial=True)


def test_faults_are_named(tmp_path, known_corpora):
    folder = known_corpora.write_fsdd(tmp_path / "fsdd")
    with pytest.raises(CorpusError, match=r"it has 3 speakers, not 6; 30 recordings, not 3000; use partial=True"):
        read_fsdd(folder)
    (folder / "recordings" / "x_theo_1.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"x_theo_1.wav: must be named DIGIT_SPEAKER_NUMBER.wav"):
        read_fsdd(folder, partial=True)
    with pytest.raises(CorpusError, match=r"holds no recordings/DIGIT_SPEAKER_NUMBER.wav"):
        read_fsdd(tmp_path)
    with pytest.raises(CorpusError, match="nowhere: is not a folder"):
        read_fsdd(tmp_path / "nowhere")
