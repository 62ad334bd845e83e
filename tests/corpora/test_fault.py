import pytest

from cnn_mellin.corpora.fault import Fault, collected, fault_kind
from cnn_mellin.errors import AudioError, CorpusError


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("is empty (0 bytes); copy it again", "is empty (12 bytes); copy it again"),
        ("corpus/a-1.wav does not exist; paths are relative", "corpus/b-2.flac does not exist; paths are relative"),
        ("'xx' is not one of TIMIT's 61 phones; did you", "'q' is not one of TIMIT's 61 phones; is it"),
        ("lasts 0.125 s, but the segment is 1 to 2.5 s; mend", "lasts 3 s, but the segment is 4 to 5 s; mend"),
        ("SX1.WAV is missing beside SX1.PHN; copy", "SX20.WAV is missing beside SX20.PHN; copy"),
    ],
)
def test_messages_that_differ_in_values_are_of_one_kind(first, second):
    assert fault_kind(CorpusError("a", 1, first)) == fault_kind(AudioError("b", second))


def test_messages_that_differ_in_words_are_of_two_kinds():
    kinds = {fault_kind(AudioError("a", why)) for why in ("is empty", "is cut short", "holds no samples; copy it")}
    assert kinds == {"is empty", "is cut short", "holds no samples"}


def test_only_errors_of_the_corpus_are_collected():
    faults: list[Fault] = []
    with collected(faults, "a"):
        raise AudioError("a.wav", "is empty")
    assert [(fault.utterance_id, fault.error.why) for fault in faults] == [("a", "is empty")]
    with pytest.raises(CorpusError, match="a.wav: is empty"), collected(None, "a"):
        raise AudioError("a.wav", "is empty")
    with pytest.raises(ValueError, match="a bug"), collected(faults, "a"):
        raise ValueError("a bug")
