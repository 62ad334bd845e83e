import shutil

import pytest

from cnn_mellin.corpora.utterance import TimedPhone
from cnn_mellin.corpora.voxangeles import read_voxangeles
from cnn_mellin.errors import CorpusError


@pytest.fixture
def corpus(tmp_path, known_corpora):
    return known_corpora.write_voxangeles(tmp_path / "vox")


def test_phones_have_times_in_samples(corpus):
    partitions = read_voxangeles(corpus, partial=True)
    utterances = {u.utterance_id: u for us in partitions.values() for u in us}
    assert len(utterances) == 12
    assert utterances["ace-000-000"].phones == (
        TimedPhone("ʃ", 2205, 4410),
        TimedPhone("a", 4410, 6615),
        TimedPhone("u", 6615, 8820),
    )
    assert utterances["ace-000-001"].labels[2] == "a\u0303"  # written as one character in the file
    assert utterances["ace-000-001"].speaker == "ace"


def test_languages_are_in_one_partition(corpus):
    partitions = read_voxangeles(corpus / "data" / "audited_aligned", partial=True)
    languages = {name: {u.speaker for u in us} for name, us in partitions.items()}
    assert {name: len(found) for name, found in languages.items()} == {"train": 4, "dev": 1, "test": 1}
    assert len(set.union(*languages.values())) == 6
    assert all(u.part == name for name, us in partitions.items() for u in us)


def test_files_of_macos_are_not_read(corpus):
    folder = corpus / "data" / "audited_aligned"
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._a.TextGrid").write_bytes(b"\0")
    (folder / "ace" / "._ace-000-000.TextGrid").write_bytes(b"\0")
    assert sum(map(len, read_voxangeles(corpus, partial=True).values())) == 12


def test_a_recording_without_text_grid_is_named(corpus):
    (corpus / "data" / "audited_aligned" / "ace" / "ace-000-000.TextGrid").unlink()
    with pytest.warns(UserWarning, match="1 recordings without a TextGrid are left out: ace-000-000"):
        assert sum(map(len, read_voxangeles(corpus, partial=True).values())) == 11


def test_faults_are_named(corpus, tmp_path):
    with pytest.raises(CorpusError, match="it has 6 languages, not 95; 12 words, not 5446; use partial=True"):
        read_voxangeles(corpus)
    folder = corpus / "data" / "audited_aligned"
    (folder / "abk.zip").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"1 archives are not unpacked: abk; unpack each in this folder \(unzip\)"):
        read_voxangeles(corpus, partial=True)
    (folder / "abk.zip").unlink()
    path = folder / "ace" / "ace-000-000.TextGrid"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"ʃ"', '"ʃ i"'), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"000.TextGrid:22: interval 'ʃ i' holds 2 symbols; label one phone per"):
        read_voxangeles(corpus, partial=True)
    path.write_text(text.replace('name = "phones"', 'name = "words"'), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"has no tier 'phones'; its tiers of intervals are 'words'"):
        read_voxangeles(corpus, partial=True)
    for language in ("ace", "bem", "dag", "eus"):
        shutil.rmtree(folder / language)
    with pytest.raises(CorpusError, match="has 2 languages; a split by language needs at least 3"):
        read_voxangeles(corpus, partial=True)
    with pytest.raises(CorpusError, match=r"holds no LANGUAGE/WORD.TextGrid"):
        read_voxangeles(tmp_path)
