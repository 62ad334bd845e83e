import numpy as np
import pytest
import soundfile

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.errors import AudioError

STREAM = np.random.default_rng(4)


def flac(path, samples, *, subtype="PCM_16", known=False) -> bytes:
    """A FLAC file without its length in the first block, as an encoder writes to a pipe."""
    soundfile.write(path, samples, 16000, format="FLAC", subtype=subtype)
    content = bytearray(path.read_bytes())
    if not known:
        content[21] &= 0xF0
        content[22:26] = bytes(4)
    return bytes(content)


@pytest.mark.parametrize("num_samples", [16, 191, 4096, 4097, 40_000, 600_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_unknown_length_is_read_to_the_end(tmp_path, num_samples, subtype):
    samples = STREAM.integers(-9999, 9999, num_samples).astype(np.int16)
    (tmp_path / "a").write_bytes(flac(tmp_path / "b", samples, subtype=subtype))
    assert np.array_equal(read_audio(tmp_path / "a"), samples)


def test_a_span_of_unknown_length_with_a_tag_at_the_end_is_read(tmp_path):
    samples = STREAM.integers(-9999, 9999, 20_000).astype(np.int16)
    (tmp_path / "a").write_bytes(flac(tmp_path / "b", samples) + b"TAG" + bytes(125))
    assert np.array_equal(read_audio(tmp_path / "a", start_s=0.5, end_s=0.75), samples[8000:12000])


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("percent", [30, 60, 99])
def test_a_truncated_file_is_refused(tmp_path, known, percent):
    content = flac(tmp_path / "b", STREAM.integers(-9999, 9999, 20_000).astype(np.int16), known=known)
    (tmp_path / "a").write_bytes(content[: len(content) * percent // 100])
    with pytest.raises(
        AudioError, match=r"a: is (cut short: it does not end with a whole FLAC frame|damaged, cut short)"
    ):
        read_audio(tmp_path / "a")


@pytest.mark.parametrize("known", [False, True])
def test_joined_files_are_refused(tmp_path, known):
    content = flac(tmp_path / "b", STREAM.integers(-9999, 9999, 5000).astype(np.int16), known=known)
    (tmp_path / "a").write_bytes(content * 2)
    with pytest.raises(AudioError, match="a: is several FLAC files joined, of which only the first can be read"):
        read_audio(tmp_path / "a")


def test_a_header_without_samples_is_refused(tmp_path):
    content = flac(tmp_path / "b", np.ones(3000, np.int16))
    (tmp_path / "a").write_bytes(content[: content.index(b"\xff\xf8")])
    with pytest.raises(AudioError, match=r"a: (holds no samples|is not an audio file)"):
        read_audio(tmp_path / "a")


def test_an_absurd_length_takes_no_memory(tmp_path):
    content = bytearray(flac(tmp_path / "b", np.ones(3000, np.int16)))
    content[21] |= 15
    content[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(AudioError, match="a: is damaged"):
        read_audio(tmp_path / "a")
