import numpy as np
import pytest
import soundfile

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.errors import AudioError

NOISE = np.random.default_rng(5).normal(0, 0.1, 32_000)


@pytest.fixture(params=["VORBIS", "OPUS"])
def content(request, tmp_path) -> bytes:
    soundfile.write(tmp_path / "whole", NOISE, 16000, format="OGG", subtype=request.param)
    return (tmp_path / "whole").read_bytes()


def pages(content: bytes) -> list[bytes]:
    starts = [place for place in range(len(content)) if content.startswith(b"OggS", place)]
    return [content[first:end] for first, end in zip(starts, [*starts[1:], None], strict=True)]


def test_a_file_with_all_pages_is_read_completely(tmp_path, content):
    assert len(pages(content)) > 3
    assert len(read_audio(tmp_path / "whole")) == len(NOISE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found[:-1], "is cut short: the page that ends its audio is missing"),
        (lambda found: [*found[:-1], found[-1][:-1]], "is cut short: its last page has [0-9]+ of [0-9]+ bytes"),
        (lambda found: [*found[:-1], found[-1][:20]], "is cut short|is damaged"),
        (lambda found: [*found[:2], *found[3:]], "is damaged: page 1 of its audio is followed by page 3"),
        (lambda found: [*found[:3], b"junk", *found[3:]], "is damaged: the bytes from [0-9]+ on are not an Ogg page"),
        (lambda found: found[2:], "is damaged: it does not begin with the first page"),
        (lambda found: found * 3, "is 3 Ogg files joined, of which only the first can be read"),
    ],
)
def test_missing_and_joined_pages_are_refused(tmp_path, content, change, message):
    (tmp_path / "a").write_bytes(b"".join(change(pages(content))))
    with pytest.raises(AudioError, match=f"a: {message}"):
        read_audio(tmp_path / "a")


def test_parallel_audio_streams_are_refused(tmp_path, content):
    found = pages(content)
    other = [page[:14] + b"zzzz" + page[18:] for page in found]
    both = [found[0], other[0], *(page for pair in zip(found[1:], other[1:], strict=True) for page in pair)]
    (tmp_path / "a").write_bytes(b"".join(both))
    with pytest.raises(AudioError, match="a: holds 2 audio streams, of which only one can be read"):
        read_audio(tmp_path / "a")
