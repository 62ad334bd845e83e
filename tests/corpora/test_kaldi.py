import shutil

import numpy as np
import pytest
import soundfile

from cnn_mellin.corpora.kaldi import kaldi_parts, read_kaldi, read_kaldi_parts
from cnn_mellin.errors import CorpusError


@pytest.fixture
def folder(tmp_path):
    """Two recordings, three utterances; `write` replaces a file."""
    for name in ("r1.wav", "r2.wav"):
        (tmp_path / name).write_bytes(b"")
    write(tmp_path, "wav.scp", "r1 r1.wav", "r2 r2.wav")
    write(tmp_path, "segments", "u2 r1 0.5 1.25", "u1 r1 0 0.5", "u3 r2 0 -1")
    write(tmp_path, "text", "u1 a b", "u2\tb  c", "u3 a")
    write(tmp_path, "utt2spk", "u1 s1", "u2 s1", "u3 s2")
    return tmp_path


def write(folder, name, *lines):
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_segments_are_utterances(folder):
    found = read_kaldi(folder, part="dev", audio_root=folder)
    assert [(u.utterance_id, u.speaker, u.audio_path.name, u.labels, u.start_s, u.end_s, u.part) for u in found] == [
        ("u1", "s1", "r1.wav", ("a", "b"), 0.0, 0.5, "dev"),
        ("u2", "s1", "r1.wav", ("b", "c"), 0.5, 1.25, "dev"),
        ("u3", "s2", "r2.wav", ("a",), 0.0, None, "dev"),
    ]


def test_without_segments_recordings_are_utterances(folder):
    (folder / "segments").unlink()
    write(folder, "text", "r1 a", "r2 b")
    write(folder, "utt2spk", "r1 s", "r2 s")
    found = read_kaldi(folder, audio_root=folder)
    assert [(u.utterance_id, u.start_s, u.end_s) for u in found] == [("r1", 0.0, None), ("r2", 0.0, None)]


def test_the_error_names_the_line_of_a_faulty_name_in_wav_scp(folder):
    (folder / "segments").unlink()
    write(folder, "wav.scp", "r1 r1.wav", "", "r/2 r2.wav")
    with pytest.raises(CorpusError, match="wav.scp:3: utterance 'r/2' has '/'; .*; rename it"):
        read_kaldi(folder, audio_root=folder)


def test_relative_paths_start_in_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert len(read_kaldi(folder)) == 3


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        (
            "wav.scp",
            ["r1 sph2pipe -f wav r1.sph |"],
            "wav.scp:1: r1 is a command .* which is not run; write its output",
        ),
        ("wav.scp", ["r1 r1.wav", "r2 none.wav"], "wav.scp:2: .*none.wav does not exist; relative paths start in"),
        ("wav.scp", ["r1 r1.wav", "r2 ."], r"wav.scp:2: .* is not a file \(but a folder, pipe or device\); name one"),
        ("wav.scp", ["r1"], "wav.scp:1: r1 has no audio file"),
        ("wav.scp", ["r1 r1.wav", "r1 r2.wav"], "wav.scp:2: duplicate id r1; delete"),
        ("segments", ["u1 r9 0 1"], "segments:1: recording r9 is not in wav.scp"),
        ("segments", ["u1 r1 0"], "segments:1: has 3 fields; it must be 'utterance recording start end'"),
        ("segments", ["u1 r1 0.5 0.5"], "segments:1: lasts from 0.5 to 0.5; it must be 0 <= start < end"),
        ("segments", ["u1 r1 -1 0.5"], "segments:1: lasts from -1 to 0.5"),
        ("segments", ["u1 r1 0 nan"], "segments:1: lasts from 0 to nan"),
        ("segments", ["u/1 r1 0 1"], "segments:1: utterance 'u/1' has '/'; an identifier has"),
        ("text", ["u1 a b", "u\u200b2 a"], r"text:2: utterance 'u.u200b2' has '.u200b', which cannot be printed"),
        ("utt2spk", ["u1 s1", "", ".u2 s1"], "utt2spk:3: utterance '.u2' begins with '.'"),
        ("text", ["u1 a b", "u2"], "text:2: has no symbol"),
        ("text", ["u1 a b"], "text: lacks 2 utterances of segments: u2, u3; each utterance must be in both files"),
        ("text", ["u1 a", "u2 a", "u3 a", "u4 a"], "segments: lacks 1 utterances of text: u4"),
        ("utt2spk", ["u1 s1", "u2 s 1", "u3 s2"], "utt2spk:2: speaker 's 1' has ' '; an identifier has"),
        ("utt2spk", [], "utt2spk: is empty; expected lines 'utterance speaker'"),
    ],
)
def test_what_is_wrong_is_named(folder, name, lines, message):
    write(folder, name, *lines)
    with pytest.raises(CorpusError, match=message):
        read_kaldi(folder, audio_root=folder)


def test_phones_ctm_gives_symbols_their_times(folder):
    soundfile.write(folder / "r1.wav", np.zeros(16000, np.int16), 8000)
    write(folder, "phones.ctm", "u2 1 0.125 0.25 b", "u1 1 0 0.1 a", "u1 1 0.1 0.4 b 0.9", "", "u2 1 0.5 0.25 c")
    one, two, three = read_kaldi(folder, audio_root=folder)
    assert [(p.symbol, p.first_sample, p.end_sample) for p in one.phones] == [("a", 0, 800), ("b", 800, 4000)]
    # since the start of the utterance, which lies at 0.5 s of its recording
    assert [(p.symbol, p.first_sample, p.end_sample) for p in two.phones] == [("b", 1000, 3000), ("c", 4000, 6000)]
    assert (three.phones, three.labels) == ((), ("a",))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["u1 1 0 0.1"], "phones.ctm:1: has 4 fields; it must be 'utterance channel start duration symbol'"),
        (["u1 1 0 0.1 b"], "phones.ctm:1: symbol 1 of u1 is 'b', but text has 'a' there"),
        (["u1 1 0 1 a", "u1 1 1 1 b", "u1 1 2 1 b"], "ctm:3: symbol 3 of u1 is 'b', but text has no such symbol"),
        (["u9 1 0 1 a"], "phones.ctm:1: symbol 1 of u9 is 'a', but text has no such symbol"),
        (["u1 1 0 1 a"], "phones.ctm: 1 utterances have fewer symbols than in text: u1; time all of their symbols"),
        (["u1 1 -1 1 a"], "phones.ctm:1: 'a' starts at -1 s and lasts 1 s; times must be numbers, in order"),
        (["u1 1 0 nan a"], "phones.ctm:1: 'a' starts at 0 s and lasts nan s"),
        (["u1 1 1 1 a", "u1 1 0.5 1 b"], "phones.ctm:2: 'b' starts at 0.5 s and lasts 1 s; times must be numbers, in"),
    ],
)
def test_faults_of_phones_ctm_are_named(folder, lines, message):
    write(folder, "phones.ctm", *lines)
    with pytest.raises(CorpusError, match=message):
        read_kaldi(folder, audio_root=folder)


def test_the_error_shows_names_that_only_look_the_same(folder):
    write(folder, "segments", "caf\xe9 r1 0 1")
    write(folder, "text", "cafe\u0301 a")
    with pytest.raises(
        CorpusError, match=r"each utterance must be in both files; names cafe.* and .*U\+00E9\) look the same"
    ):
        read_kaldi(folder, audio_root=folder)


@pytest.mark.parametrize("name", ["wav.scp", "text", "utt2spk"])
def test_the_error_names_missing_files(folder, name):
    (folder / name).unlink()
    with pytest.raises(CorpusError, match=f"{name}: does not exist"):
        read_kaldi(folder, audio_root=folder)


def test_partitions_are_found_by_their_folders(folder):
    assert kaldi_parts(folder) == {"train": folder}
    for name in ("train", "dev_clean", "dev", "ext"):
        (folder / "data" / name).mkdir(parents=True)
    data = folder / "data"
    assert kaldi_parts(data) == {"train": data / "train", "dev": data / "dev"}
    named = {"train": "train", "dev": "dev_clean"}
    assert kaldi_parts(data, named) == {part: data / name for part, name in named.items()}
    with pytest.raises(CorpusError, match=r"neither a wav.scp nor a folder train; pass folders train=FOLDER"):
        kaldi_parts(data / "train")
    with pytest.raises(CorpusError, match="none: does not exist; name one with wav.scp"):
        kaldi_parts(folder / "none")


def test_an_utterance_in_two_partitions_is_refused(folder):
    assert {part: len(utterances) for part, utterances in read_kaldi_parts(folder, audio_root=folder).items()} == {
        "train": 3
    }
    for part in ("train", "test"):
        shutil.copytree(folder, folder / "data" / part, ignore=shutil.ignore_patterns("data"))
    with pytest.raises(CorpusError, match="data/test: utterance u1 is also in partition train; delete or rename"):
        read_kaldi_parts(folder / "data", audio_root=folder)
