"""Files written by the audio library, in every container and encoding: complete, truncated, extended, joined."""

import contextlib

import numpy as np
import pytest
import soundfile

from cnn_mellin.audio.audio_file import open_audio
from cnn_mellin.audio.reading import read_samples
from cnn_mellin.errors import AudioError

NUM_SAMPLES = 6000
NOISE = np.random.default_rng(1).normal(0, 0.1, NUM_SAMPLES).clip(-0.9, 0.9)
WITHOUT_LENGTH = ("IRCAM", "PAF", "PVF", "SD2", "XI")
# Encodings in blocks, whose last one is padded, and those in which the library promises one sample more.
BLOCKS = (
    *("IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "G723_24", "G723_40"),
    *("NMS_ADPCM_16", "NMS_ADPCM_24", "NMS_ADPCM_32"),
)
LOSSY = (*BLOCKS, "VORBIS", "OPUS", "MPEG_LAYER_III", "ULAW", "ALAW", "DPCM_8", "PCM_S8", "PCM_U8")
UNWRITABLE = {("AIFF", "DWVW_12"), ("MP3", "MPEG_LAYER_I"), ("MP3", "MPEG_LAYER_II"), ("WAV", "MPEG_LAYER_III")}
UNREADABLE = {("AIFF", "DWVW_16"), ("AIFF", "DWVW_24")}  # by the library's Python interface
# The library writes wrong sizes into the header of Creative Voice files.
FAULTY = {("VOC", "PCM_U8"), ("VOC", "ULAW"), ("VOC", "ALAW")}

KINDS = [
    (container, coding)
    for container in soundfile.available_formats()
    if container != "RAW"
    for coding in soundfile.available_subtypes(container)
    if (container, coding) not in UNWRITABLE | UNREADABLE | FAULTY
]


def written(path, container: str, coding: str) -> bytes:
    rate = {"WVE": 8000, "XI": 44100}.get(container, 16000)
    soundfile.write(path, NOISE, rate, format=container, subtype=coding)
    return path.read_bytes()


def read(path) -> np.ndarray:
    with open_audio(path) as audio:
        return read_samples(path, audio) / 32768


def warns(container: str):
    known = container not in WITHOUT_LENGTH
    return pytest.warns(UserWarning, match="do not give their length") if not known else contextlib.nullcontext()


@pytest.mark.parametrize(("container", "coding"), KINDS)
def test_a_whole_file_is_read_exactly(tmp_path, container, coding):
    written(tmp_path / "a", container, coding)
    with warns(container):
        samples = read(tmp_path / "a")
    if coding in BLOCKS:
        assert NUM_SAMPLES <= len(samples) < NUM_SAMPLES + 1100
    else:
        assert len(samples) == NUM_SAMPLES
    if coding not in LOSSY:
        np.testing.assert_allclose(samples, NOISE, atol=2**-14)


@pytest.mark.parametrize(("container", "coding"), [kind for kind in KINDS if kind[0] not in WITHOUT_LENGTH])
def test_a_file_truncated_to_60_percent_is_refused_in_one_line(tmp_path, container, coding):
    content = written(tmp_path / "a", container, coding)
    (tmp_path / "cut").write_bytes(content[: len(content) * 6 // 10])
    why = "is not an audio file that can be read" if container == "HTK" else "cut short"
    with pytest.raises(AudioError, match=f"cut: .*{why}") as caught:
        read(tmp_path / "cut")
    assert "\n" not in str(caught.value)


JOINABLE = [kind for kind in KINDS if kind[0] not in (*WITHOUT_LENGTH, "HTK", "MPC2K", "SDS")]


@pytest.mark.parametrize(("container", "coding"), JOINABLE)
def test_two_joined_files_are_refused(tmp_path, container, coding):
    content = written(tmp_path / "a", container, coding)
    (tmp_path / "joined").write_bytes(content + content)
    with pytest.raises(AudioError, match=r"joined: is (several|2) .*joined.*; split it"):
        read(tmp_path / "joined")


@pytest.mark.parametrize(("container", "coding"), [kind for kind in JOINABLE if kind[0] != "FLAC"])
def test_bytes_after_the_samples_give_a_warning_and_are_not_read(tmp_path, container, coding):
    content = written(tmp_path / "a", container, coding)
    expected = read(tmp_path / "a")
    (tmp_path / "more").write_bytes(content + bytes(range(1, 101)))
    with pytest.warns(UserWarning, match=rf"more: 10[01] bytes after its {len(expected)} samples are not read"):
        assert np.array_equal(read(tmp_path / "more"), expected)


@pytest.mark.parametrize("container", WITHOUT_LENGTH[:3])
def test_a_header_without_a_length_gives_a_warning(tmp_path, container):
    content = written(tmp_path / "a", container, "PCM_16")
    (tmp_path / "cut").write_bytes(content[:-1000])
    with pytest.warns(UserWarning, match=f"cut: {container} files do not give their length, so that truncation"):
        assert len(read(tmp_path / "cut")) == NUM_SAMPLES - 500


@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), b"APETAGEX" + bytes(60)])
def test_tags_after_the_samples_are_accepted(tmp_path, tag):
    content = written(tmp_path / "a", "WAV", "PCM_16")
    (tmp_path / "tagged").write_bytes(content + tag)
    assert len(read(tmp_path / "tagged")) == NUM_SAMPLES
