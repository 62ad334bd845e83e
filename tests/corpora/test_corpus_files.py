import os
import time
from pathlib import Path

import pytest

from cnn_mellin.corpora.corpus_files import corpus_files, corpus_state

OLD_NS = 1_700_000_000_000_000_001


def put(path: Path, text: str = "audio") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(OLD_NS, OLD_NS))
    return path


@pytest.fixture(params=["table", "kaldi", "timit"])
def corpus(request, tmp_path):
    """A corpus, its kind, and the files that it is read from: audio with any suffix, also outside its folder."""
    here, audio = tmp_path / "corpus", tmp_path / "audio"
    if request.param == "table":
        files = [put(here / "a.opus"), put(audio / "b.weird"), put(audio / "c")]
        rows = ["a.opus\tx", "../audio/b.weird\tx", f"{audio}/c\ty"]
        return put(here / "t.tsv", "\n".join(["audio\ttranscript", *rows])), "table", [*files, here / "t.tsv"]
    if request.param == "kaldi":
        files = [put(here / "train" / name, "a s\n") for name in ("text", "utt2spk", "segments")]
        files += [put(tmp_path / "relative.nist"), put(audio / "b 1.mp3")]
        scp = put(here / "train" / "wav.scp", f"a relative.nist\n\nb {audio}/b 1.mp3\nc sox x -t wav - |\n")
        return here, "kaldi", [*files, scp]
    files = [put(here / "TRAIN" / "DR1" / "FAAA0" / name) for name in ("SX1.WAV", "SX1.PHN")]
    (here / "TEST").symlink_to(audio)
    return here, "timit", [*files, put(audio / "dr1" / "fbbb0" / "sx1.wav")]


def state(corpus, tmp_path):
    path, kind, _ = corpus
    return corpus_state(path, kind, audio_root=tmp_path)


def test_every_file_that_is_read_is_listed(corpus, tmp_path):
    path, kind, files = corpus
    found = {os.path.realpath(file) for file in corpus_files(path, kind, audio_root=tmp_path)}
    assert {str(file.resolve()) for file in files} <= found


def rewrite(path):
    """Change the content, but neither size nor time."""
    time.sleep(0.02)
    put(path, path.read_text().swapcase())


def replace(path):
    """Replace the file by one of the same size and time."""
    put(path.with_name("other"), path.read_text())
    os.replace(path.with_name("other"), path)


def touch(path):
    os.utime(path, ns=(OLD_NS, OLD_NS + 1))


@pytest.mark.parametrize("change", [rewrite, replace, touch, Path.unlink])
def test_a_change_of_any_file_changes_the_state(corpus, tmp_path, change):
    for file in corpus[2]:
        before = state(corpus, tmp_path)
        assert state(corpus, tmp_path) == before
        kept = file.read_text()
        change(file)
        assert state(corpus, tmp_path) != before, file
        put(file, kept)


def test_files_that_are_not_read_do_not_change_the_state(corpus, tmp_path):
    before = state(corpus, tmp_path)
    put(tmp_path / "corpus" / "exp" / "report.html", "x")
    put(tmp_path / "corpus" / "notes.txt", "x")
    assert state(corpus, tmp_path) == before


def test_an_unreadable_corpus_has_a_state(tmp_path):
    states = {corpus_state(tmp_path / "none", kind) for kind in ("table", "kaldi", "timit")}
    put(tmp_path / "none" / "wav.scp")
    (tmp_path / "none" / "wav.scp").write_bytes(b"\xff")
    states.add(corpus_state(tmp_path / "none", "kaldi"))
    assert len(states) == 3  # a missing table and a file that is not text have their own states


def test_circular_links_are_followed_once(tmp_path):
    put(tmp_path / "TRAIN" / "a.wav")
    (tmp_path / "TRAIN" / "again").symlink_to(tmp_path)
    assert [path.name for path in corpus_files(tmp_path, "timit")] == ["a.wav"]


def test_partitions_may_have_other_names(tmp_path):
    put(tmp_path / "train_960" / "wav.scp", "a /audio/a.flac\n")
    found = [path.name for path in corpus_files(tmp_path, "kaldi", parts={"train": "train_960"})]
    assert found == ["wav.scp", "segments", "text", "utt2spk", "a.flac"]
