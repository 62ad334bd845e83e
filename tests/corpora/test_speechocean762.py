import json
import shutil
from pathlib import Path

import pytest

from cnn_mellin.corpora.speechocean762 import FULL_COUNTS, read_speechocean762
from cnn_mellin.errors import CorpusError


@pytest.fixture
def corpus(tmp_path, known_corpora) -> Path:
    return known_corpora.write_speechocean762(tmp_path / "so")


def test_phones_lose_stress_and_position(corpus):
    ((first, *_),) = [read_speechocean762(corpus, partial=True)["test"]]
    assert (first.utterance_id, first.speaker, first.gender, first.part) == ("007700000", "0077", "f", "test")
    assert (first.text, first.labels) == ("CALL A", ("K", "AO", "L", "AH"))
    assert first.audio_path.is_file()


def test_dev_is_cut_from_train_by_speaker(corpus):
    partitions = read_speechocean762(corpus, partial=True)
    assert {name: len(utterances) for name, utterances in partitions.items()} == {"train": 6, "dev": 2, "test": 2}
    speakers = {name: {u.speaker for u in utterances} for name, utterances in partitions.items()}
    assert not speakers["train"] & speakers["dev"]
    assert all(u.part == name for name, utterances in partitions.items() for u in utterances)


def test_adults(corpus):
    partitions = read_speechocean762(corpus, adults=True, partial=True)
    assert {u.speaker for name in ("train", "dev") for u in partitions[name]} == {"0000", "0002"}
    (corpus / "train" / "spk2age").write_text("0000 30\n")
    with pytest.raises(CorpusError, match="speaker 0001 has no age in spk2age; add it, or read speakers of all ages"):
        read_speechocean762(corpus, adults=True, partial=True)


def test_perceived_phones(corpus):
    path = corpus / "resource" / "scores.json"
    scores = json.loads(path.read_text())
    call = scores["007700000"]["words"][0]  # K AO1 L
    call["mispronunciations"] = [
        {"canonical-phone": "K", "index": 0, "pronounced-phone": "<DEL>"},
        {"canonical-phone": "AO1", "index": 1, "pronounced-phone": "aa0*"},
        {"canonical-phone": "L", "index": 2, "pronounced-phone": "<unk>"},
    ]
    path.write_text(json.dumps(scores))
    heard, other = read_speechocean762(corpus, perceived=True, partial=True)["test"]
    assert heard.labels == ("AA", "SPN", "AH")
    assert other.labels == ("IH", "T")
    call["mispronunciations"][2]["pronounced-phone"] = "XX"
    call["phones"] = call["phones"].split()
    path.write_text(json.dumps(scores))
    shutil.move(path, corpus / "scores.json")
    with pytest.warns(UserWarning, match=r"perceived phones that are not of the 39 become SPN: XX \(1 times\)"):
        heard, _ = read_speechocean762(corpus, perceived=True, partial=True)["test"]
    assert heard.labels == ("AA", "SPN", "AH")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("resource/text-phone", "K_B AO1_I L_E", "K_B AQ1_I L_E", r"text-phone:2: 'AQ1_I' is no ARPAbet phone"),
        ("resource/text-phone", "000000000.1", "000000000.2", "text-phone:2: 000000000.2 is word 2, but .* has 1"),
        ("resource/text-phone", "\tW_B IY0_E", "", "text-phone:1: 000000000.0 has no phone"),
        ("train/text", "WE CALL IT", "WE CALL", "000000000 has phones of 3 words, but 2 words in its text"),
        ("train/spk2age", "0000\t30", "0000\tx", "has the age 'x'"),
        ("train/spk2gender", "0000\tm", "0000", "spk2gender:1: '0000' is not two fields"),
        ("resource/scores.json", '"phones": "W IY0"', '"phones": 7', "scores.json: .*copy the file again"),
        ("resource/scores.json", '"000000000"', '"000000009"', "000000000 has no phones in scores.json"),
    ],
)
def test_faults_are_named(corpus, file, old, new, message):
    text = (corpus / file).read_text()
    assert old in text
    (corpus / file).write_text(text.replace(old, new, 1))
    with pytest.raises(CorpusError, match=message):
        read_speechocean762(corpus, perceived=True, partial=True)


def test_counts_and_missing_files(corpus, tmp_path):
    with pytest.raises(
        CorpusError, match=r"it has 5 speakers, not 250; 8 training utterances, not 2500; 2 test .*94445"
    ):
        read_speechocean762(corpus)
    assert FULL_COUNTS["speakers"] == 250
    (corpus / "resource" / "scores.json").unlink()
    read_speechocean762(corpus, partial=True)
    with pytest.raises(CorpusError, match="holds no resource/scores.json or scores.json, .* leave out perceived=True"):
        read_speechocean762(corpus, perceived=True, partial=True)
    with pytest.raises(CorpusError, match="holds no train/wav.scp; name the folder that holds"):
        read_speechocean762(tmp_path)
    with pytest.raises(CorpusError, match="is not a folder"):
        read_speechocean762(tmp_path / "nowhere")
