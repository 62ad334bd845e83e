import unicodedata

import pytest

from cnn_mellin.corpora.tusom2021 import read_tusom2021
from cnn_mellin.errors import CorpusError


@pytest.fixture
def corpus(tmp_path, known_corpora):
    return known_corpora.write_tusom2021(tmp_path / "tusom")


def test_phones_without_tones_and_control_characters(corpus):
    with pytest.warns(
        UserWarning, match="removed .* as part of no phone: control character 0x1d 1 times, combining grave accent 1 t"
    ):
        partitions = read_tusom2021(corpus, partial=True)
    found = {u.utterance_id: " ".join(u.labels) for us in partitions.values() for u in us}
    assert found == {
        name: unicodedata.normalize("NFD", phones)
        for name, phones in {
            "bp1-1": "s ə k v ɯ",
            "bp1-2": "ʔ ə z u t͡s ɯ",
            "verb1-1": "kʰ ã t͡ɕʰ i",
            "verb1-2": "y y",
            "bp2-1": "kʰ ə",
            "bp3-1": "ʔ u",
        }.items()
    }
    assert {name: len(us) for name, us in partitions.items()} == {"train": 4, "dev": 1, "test": 1}
    assert partitions["train"][0].audio_path == corpus / "data" / "wav" / "bp1-1.wav"


@pytest.mark.filterwarnings("ignore:.*removed from transcripts")
def test_faults_are_named(corpus, tmp_path):
    with pytest.raises(CorpusError, match="it has 4 train utterances, not 1578; 1 dev utterances, not 230; 1 test"):
        read_tusom2021(corpus)
    (corpus / "data" / "dev.yml").write_text("bp1-1.wav:\n  no_tones: a\n")
    with pytest.raises(CorpusError, match=r"dev.yml: utterance bp1-1 is also in .*train.yml; copy the corpus again"):
        read_tusom2021(corpus, partial=True)
    (corpus / "data" / "dev.yml").write_text("bp1-9.wav:\n  gloss: a\n")
    with pytest.raises(CorpusError, match=r"dev.yml: .*no_tones.*; copy the file again"):
        read_tusom2021(corpus, partial=True)
    (corpus / "data" / "dev.yml").write_text("bp1-9.wav:\n  no_tones: ' '\n")
    with pytest.raises(CorpusError, match=r"dev.yml: has no symbol in its transcript"):
        read_tusom2021(corpus, partial=True)
    with pytest.raises(CorpusError, match=r"train.yml: does not exist; expected transcripts as YAML"):
        read_tusom2021(tmp_path)
