from pathlib import Path

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.labelling import corpus_labelling, timit_labelling


def said(*symbols: str) -> Utterance:
    return Utterance("u", "s", Path("u.wav"), (), transcript=symbols)


def test_symbols_of_a_corpus_are_the_labels_of_all_partitions():
    labelling, warning = corpus_labelling({"train": [said("ix", "b")], "test": [said("b", "q")]})
    assert labelling.symbols == ("b", "ix", "q")
    assert labelling.classes == {"b": 0, "ix": 1, "q": 2}
    assert labelling.trained_symbols(["q", "ix"]) == labelling.scored_symbols(["q", "ix"]) == ["q", "ix"]
    assert warning == "no training utterance has 1 of 3 symbols: q"
    assert corpus_labelling({"train": [said("b")], "dev": [said("b")]})[1] == ""


def test_symbols_that_look_alike_are_named():
    _, warning = corpus_labelling({"train": [said("e\u0301", "b")], "dev": [said("\xe9")]})
    assert warning == (
        "no training utterance has 1 of 3 symbols: \xe9; symbols e\u0301 (U+0065 U+0301) and \xe9 (U+00E9) look the "
        "same, but are different; write each in one form (NFC for accents)"
    )


def test_timit_is_folded_to_the_phone_set_for_training_and_to_39_for_scoring():
    labelling = timit_labelling(61)
    assert len(labelling.symbols) == 61
    assert labelling.trained_symbols(["h#", "q", "ix"]) == ["h#", "q", "ix"]
    assert labelling.scored_symbols(["h#", "q", "ix"]) == ["sil", "ih"]
