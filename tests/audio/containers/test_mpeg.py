import numpy as np
import pytest
import soundfile

from cnn_mellin.audio.containers.mpeg import frame_at
from cnn_mellin.audio.reading import read_audio
from cnn_mellin.errors import AudioError

# Loud, then almost silent: with a variable bit rate, later frames are smaller than the first ones.
NOISE = np.random.default_rng(6).normal(0, 1, 48_000) * np.where(np.arange(48_000) < 4000, 0.2, 1e-3)


def mp3(path, mode: str) -> list[bytes]:
    """Frames of an MP3 file, beginning with the counting frame."""
    soundfile.write(path, NOISE, 16000, format="MP3", bitrate_mode=mode, compression_level=0.3)
    content, frames, place = path.read_bytes(), [], 0
    while place < len(content):
        found = frame_at(content[place : place + 4])
        assert found is not None
        size = found[0]
        frames.append(content[place : place + size])
        place += size
    return frames


@pytest.fixture(params=["CONSTANT", "VARIABLE"])
def frames(request, tmp_path):
    return mp3(tmp_path / "whole", request.param)


def test_a_whole_file_is_read_exactly(tmp_path, frames):
    assert len(read_audio(tmp_path / "whole")) == len(NOISE)
    tags = b"ID3\x04\0\0\0\0\0\x05hello", b"TAG" + bytes(125)
    (tmp_path / "tagged").write_bytes(tags[0] + b"".join(frames) + tags[1])
    assert len(read_audio(tmp_path / "tagged")) == len(NOISE)


def test_without_a_count_it_is_read_to_its_last_frame(tmp_path, frames):
    (tmp_path / "a").write_bytes(b"".join(frames[1:]))
    assert 0 <= 576 * (len(frames) - 1) - len(read_audio(tmp_path / "a")) < 576  # the decoder removes its delay


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda found: found[: len(found) * 6 // 10],
            "is cut short: its header promises [0-9]+ frames, but it holds [0-9]+",
        ),
        (lambda found: [*found[:-1], found[-1][:-1]], "is cut short: its last frame has [0-9]+ of [0-9]+ bytes"),
        (lambda found: [*found[1:-1], found[-1][:-1]], "is cut short: its last frame has [0-9]+ of [0-9]+ bytes"),
        (lambda found: found * 2, "is several MP3 files joined"),
        (lambda found: [*found[1:], *found], "is several MP3 files joined"),
        (lambda found: [*found, b"TAG" + bytes(125), *found], "is several MP3 files joined"),
        (lambda found: [*found, *found[1:]], r"has more frames than it says \(its header promises [0-9]+ frames"),
        (lambda found: [*found[:9], bytes(50), *found[9:]], "is damaged: bytes [0-9]+ to [0-9]+ are not an MPEG frame"),
    ],
    ids=range(8),
)
def test_missing_and_joined_frames_are_refused(tmp_path, frames, change, message):
    (tmp_path / "a").write_bytes(b"".join(change(frames)))
    with pytest.raises(AudioError, match=f"a: {message}"):
        read_audio(tmp_path / "a")


@pytest.mark.parametrize("header", ["", "ff", "00000000", "fff338", "fffff0c0", "fff33cc0", "ffeb90c4"])
def test_other_bytes_are_not_taken_for_a_frame(header):
    assert frame_at(bytes.fromhex(header)) is None
