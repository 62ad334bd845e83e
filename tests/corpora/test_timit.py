from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.corpora.timit import LONGEST_OVERHANG, read_timit
from cnn_mellin.corpora.utterance import TimedPhone, TimedWord
from cnn_mellin.errors import AudioError, CorpusError


@pytest.fixture
def corpus(tmp_path, synthetic_timit):
    return synthetic_timit(tmp_path / "corpus")


def _home(corpus: Path) -> Path:
    return corpus / "TRAIN" / "DR1" / "FXAA0"


def _without_paths(utterances):
    return [replace(utterance, audio_path=Path()) for utterance in utterances]


def test_an_utterance_holds_the_content_of_its_files(corpus):
    home = _home(corpus)
    (home / "SX1.PHN").write_text("0 2000 h#\n2000 3000 sh\n3100 8000 h#\n\n")
    (home / "SX1.TXT").write_text("0 8000 She had.\r\n")
    (home / "SX1.WRD").write_text("2000 2600 she\n2500 3000 had\n")
    utterances = read_timit(corpus)
    assert len(utterances) == 50
    utterance = next(u for u in utterances if u.utterance_id == "fxaa0-sx1")
    assert utterance.phones == (TimedPhone("h#", 0, 2000), TimedPhone("sh", 2000, 3000), TimedPhone("h#", 3100, 8000))
    assert utterance.words == (TimedWord("she", 2000, 2600), TimedWord("had", 2500, 3000))
    assert utterance.text == "She had."
    assert utterance.audio_path == home / "SX1.WAV"
    assert (utterance.speaker, utterance.gender, utterance.dialect, utterance.part) == ("fxaa0", "f", "dr1", "train")


def test_utterances_are_sorted_and_have_their_part(corpus):
    utterances = read_timit(corpus)
    ids = [utterance.utterance_id for utterance in utterances]
    assert ids == sorted(ids)
    assert {u.speaker for u in utterances if u.part == "test"} == {"fdhc0", "faks0"}
    assert {u.speaker for u in utterances if u.part == "train"} == {"fxaa0", "mxab0", "fxac0"}


@pytest.mark.parametrize("form", [{"lower": True}, {"riff": True}, {"deeper": True}, {"lower": True, "riff": True}])
def test_every_variant_of_the_layout_reads_the_same(corpus, tmp_path, synthetic_timit, form):
    other = synthetic_timit(tmp_path / "other", **form)
    assert _without_paths(read_timit(other)) == _without_paths(read_timit(corpus))


def test_sphere_and_riff_may_be_mixed(corpus):
    expected = read_timit(corpus)
    path = _home(corpus) / "SA1.WAV"
    samples, rate = soundfile.read(path, dtype="int16")
    with open(path, "wb") as file:
        soundfile.write(file, samples, rate, format="WAV")
    assert path.read_bytes().startswith(b"RIFF")
    assert read_timit(corpus) == expected


def test_a_converted_copy_beside_the_original_is_not_read(corpus):
    expected = read_timit(corpus)
    shutil.copy(_home(corpus) / "SA1.WAV", _home(corpus) / "SA1.WAV.wav")
    (_home(corpus) / ".DS_Store").write_bytes(b"\xff")
    assert read_timit(corpus) == expected


def test_a_last_phone_slightly_past_the_audio_is_cut(corpus):
    (_home(corpus) / "SA1.PHN").write_text(f"0 4000 h#\n4000 {8000 + LONGEST_OVERHANG} s\n")
    utterance = next(u for u in read_timit(corpus) if u.utterance_id == "fxaa0-sa1")
    assert utterance.phones[-1] == TimedPhone("s", 4000, 8000)


def test_a_corpus_may_lack_train_or_test(corpus):
    shutil.rmtree(corpus / "TEST")
    assert {utterance.part for utterance in read_timit(corpus)} == {"train"}


@pytest.mark.parametrize(
    ("labels", "line", "why"),
    [
        ("0 4000 h#\n3999 8000 s\n", 2, "s begins at sample 3999, before h# ends at 4000; correct the times"),
        ("0 4000 h#\n8000 4000 s\n", 2, "ends at sample 4000, before it begins at 8000; correct the times"),
        ("0 4000 h#\n4000 8000 shh\n", 2, "'shh' is not one of TIMIT's 61 phones; did you mean 'sh'"),
        ("0 4000 H#\n4000 8000 s\n", 1, "'H#' is not one of TIMIT's 61 phones"),
        ("0 4000 h#\n4000 s\n", 2, "cannot be read: '4000 s'; it must be first sample, end sample, text"),
        ("0.0 0.3 h#\n", 1, "cannot be read"),
        ("0 \xb2 h#\n", 1, "is not UTF-8"),
        (f"0 {'9' * 5000} h#\n", 1, "cannot be read: '0 9+'; it must be"),
        ("0 4000 h#\n4000 9601 s\n", 2, "s lasts from sample 4000 to 9601, but SA1.WAV has 8000 samples; copy"),
        ("0 8000 h#\n8000 8100 s\n", 2, "s lasts from sample 8000 to 8100, but SA1.WAV has 8000 samples; copy"),
        ("0 4000 h#\n4000 8000 s\xff\n", 2, r"is not UTF-8 text \(byte 0xff\)"),
        ("\n", None, "is empty; copy it from the corpus again"),
    ],
)
def test_faulty_label_files_are_refused(corpus, labels, line, why):
    path = _home(corpus) / "SA1.PHN"
    path.write_bytes(labels.encode("latin-1"))
    with pytest.raises(CorpusError, match=why) as caught:
        read_timit(corpus)
    assert str(caught.value).startswith(f"{path}: " if line is None else f"{path}:{line}: ")
    assert "\n" not in str(caught.value)


def test_one_warning_counts_missing_sentences_and_words(corpus):
    expected = read_timit(corpus)
    for path in corpus.rglob("*.WRD"):
        path.unlink()
    (_home(corpus) / "SA1.TXT").unlink()
    with pytest.warns(UserWarning, match="corpus: 1 .TXT files and 50 .WRD files of 50 utterances are missing") as said:
        found = read_timit(corpus)
    assert len(said) == 1
    without = [replace(u, words=(), text="" if u.utterance_id == "fxaa0-sa1" else u.text) for u in expected]
    assert found == without


def test_a_converted_copy_without_an_original_is_read(corpus):
    expected = read_timit(corpus)
    for path in corpus.rglob("*.WAV"):
        path.rename(path.with_name(path.name + ".wav"))
    assert _without_paths(read_timit(corpus)) == _without_paths(expected)


def test_byte_order_marks_and_windows_line_ends_are_removed(corpus):
    expected = read_timit(corpus)
    for suffix in ("PHN", "TXT", "WRD"):
        for path in corpus.rglob(f"*.{suffix}"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_timit(corpus) == expected


@pytest.mark.parametrize("suffix", ["WAV", "PHN"])
@pytest.mark.parametrize("lower", [False, True])
def test_the_error_names_a_missing_file(tmp_path, synthetic_timit, suffix, lower):
    corpus = synthetic_timit(tmp_path / "corpus", lower=lower)
    home = corpus / "train/dr1/fxaa0" if lower else _home(corpus)
    name = f"sa1.{suffix}".lower() if lower else f"SA1.{suffix}"
    (home / name).unlink()
    with pytest.raises(CorpusError, match=rf"(?i)fxaa0: .*{name} is missing beside sa1\.") as caught:
        read_timit(corpus)
    assert name in str(caught.value)


def test_a_sentence_file_of_several_lines_is_refused(corpus):
    (_home(corpus) / "SA1.TXT").write_text("0 8000 One.\n0 8000 Two.\n")
    with pytest.raises(CorpusError, match=r"SA1\.TXT: has 2 lines; it must have one"):
        read_timit(corpus)


def test_a_duplicate_utterance_is_refused(corpus):
    home = _home(corpus)
    shutil.copy(home / "SA1.PHN", home / "sa1.phn")
    with pytest.raises(CorpusError, match=r"sa1\.phn: duplicate file sa1\.phn, as SA1\.PHN"):
        read_timit(corpus)


@pytest.mark.parametrize("place", ["TEST/DR1/FXAA0", "TRAIN/DR2/fxaa0"])
def test_a_speaker_in_two_folders_is_refused(corpus, place):
    shutil.copytree(_home(corpus), corpus / place)
    with pytest.raises(CorpusError, match=f"{place}: duplicate speaker fxaa0, as in .*TRAIN/DR1/FXAA0"):
        read_timit(corpus)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("TRAIN/DR9", "is not a dialect region.*; rename or delete it"),
        ("TRAIN/DR1/BERT", "is not the name of a speaker.*; rename or delete it"),
        ("TRAIN/DR1/@eaDir", "is not the name of a speaker.*; rename or delete it"),
        ("TRAIN/DR1/FXZZ0", "holds no utterance"),
    ],
)
def test_a_folder_of_an_unknown_name_is_refused(corpus, place, why):  # noqa: N802
    (corpus / place).mkdir()
    with pytest.raises(CorpusError, match=f"{place}: {why}"):
        read_timit(corpus)


def test_a_file_of_an_unknown_name_is_refused(corpus):
    (_home(corpus) / "HELLO.TXT").write_text("hello")
    with pytest.raises(CorpusError, match=r"HELLO\.TXT: is not the name of a prompt"):
        read_timit(corpus)


def test_two_corpora_below_one_folder_are_refused(tmp_path, synthetic_timit):
    for name in "ab":
        synthetic_timit(tmp_path / name)
    with pytest.raises(CorpusError, match=r"holds two corpora, .*a and .*b; name one of them"):
        read_timit(tmp_path)


def test_a_folder_name_in_both_cases_is_refused(corpus):
    (corpus / "train").mkdir()
    with pytest.raises(CorpusError, match=": holds TRAIN and train; delete one of them"):
        read_timit(corpus)


def test_a_folder_without_a_corpus_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="nowhere: does not exist"):
        read_timit(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="file: is not a folder"):
        read_timit(tmp_path / "file")
    (tmp_path / "a").mkdir()
    with pytest.raises(CorpusError, match="holds no folder TRAIN or TEST"):
        read_timit(tmp_path)
    (tmp_path / "a" / "TRAIN").mkdir()
    with pytest.raises(CorpusError, match="holds no utterance"):
        read_timit(tmp_path)


def test_faulty_audio_is_refused(corpus):
    path = _home(corpus) / "SA1.WAV"
    whole = path.read_bytes()
    for content, why in [(b"", "is empty"), (b"garbage" * 999, "is not an audio file"), (whole[:2000], "is cut short")]:
        path.write_bytes(content)
        with pytest.raises(AudioError, match=rf"SA1\.WAV: {why}"):
            read_timit(corpus)
    with open(path, "wb") as file:
        soundfile.write(file, np.zeros(8000, np.int16), 8000, format="WAV")
    with pytest.raises(AudioError, match="sample rate is 8000 Hz; expected 16000 Hz"):
        read_timit(corpus)
