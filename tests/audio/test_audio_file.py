import os
import socket
import sys

import numpy as np
import pytest

from cnn_mellin.audio.audio_file import open_audio
from cnn_mellin.audio.reading import read_audio, write_sphere
from cnn_mellin.errors import AudioError

SAMPLES = np.arange(-500, 500)


def bind(path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkdir, "folder"),
        (lambda path: os.mkfifo(path), "pipe"),
        (bind, "socket"),
        (lambda path: path.symlink_to("/dev/zero"), "device"),
    ],
    ids=["folder", "pipe", "socket", "device"],
)
def test_a_path_that_is_not_a_regular_file_is_refused_without_waiting(tmp_path, monkeypatch, make, kind):
    monkeypatch.chdir(tmp_path)  # socket paths must be short
    path = tmp_path.relative_to(tmp_path) / "a.wav"
    make(path)
    with pytest.raises(AudioError, match=f"a.wav: cannot be read: it is a {kind}; name a file"):
        read_audio(path)


def test_a_name_with_a_null_byte_is_refused_in_one_line():
    with pytest.raises(AudioError, match=r"'a\\x00.wav': cannot be read \(embedded null byte\)"):
        read_audio("a\0.wav")


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_a_file_name_need_not_be_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    write_sphere(path, SAMPLES, 16000)
    assert np.array_equal(read_audio(path), SAMPLES)


def test_every_file_is_closed(tmp_path):
    write_sphere(tmp_path / "a.wav", SAMPLES, 16000)
    (tmp_path / "b.wav").write_bytes(b"garbage")
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for _ in range(5):
        read_audio(tmp_path / "a.wav")
        with pytest.raises(AudioError, match="is not an audio file"):
            read_audio(tmp_path / "b.wav")
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_the_promise_of_a_long_file_is_cached(tmp_path):
    write_sphere(tmp_path / "a.wav", np.zeros(600_000), 16000)
    with open_audio(tmp_path / "a.wav") as first, open_audio(tmp_path / "a.wav") as second:
        assert first.promise is second.promise
    write_sphere(tmp_path / "a.wav", np.zeros(700_000), 16000)
    with open_audio(tmp_path / "a.wav") as changed:
        assert changed.num_samples == 700_000
