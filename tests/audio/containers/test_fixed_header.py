import struct

import numpy as np
import pytest

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.errors import AudioError

SAMPLES = np.random.default_rng(3).integers(-9999, 9999, 3000)
LITTLE, BIG = SAMPLES.astype("<i2").tobytes(), SAMPLES.astype(">i2").tobytes()


def au(size, data=BIG, order=">"):
    return struct.pack(order + "4sIIIII", b".snd" if order == ">" else b"dns.", 28, size, 3, 16000, 1) + bytes(4) + data


def voc(*blocks):
    rate = struct.pack("<IBBHI", 16000, 16, 1, 4, 0)
    content = b"".join(b"\x09" + (12 + len(block)).to_bytes(3, "little") + rate + block for block in blocks)
    return b"Creative Voice File\x1a" + struct.pack("<HHH", 26, 0x114, 0x1F11 - 0x114 + 0x114) + content + b"\0"


@pytest.mark.parametrize(
    "content", [au(0xFFFFFFFF), au(0), au(0x7FFFFFFF), au(6000), au(0xFFFFFFFF, LITTLE, "<"), voc(LITTLE)], ids=range(6)
)
def test_known_and_unknown_lengths_are_read(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert np.array_equal(read_audio(tmp_path / "a"), SAMPLES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (au(6400), "is cut short: its header promises 3200 samples, but it holds 3000"),
        (au(0xC0000000), "is cut short: its header promises 1610612736 samples, but it holds 3000"),
        (au(0xFFFFFFFF)[:-1], "is cut short: its last sample has 1 of 2 bytes"),
        (au(0xFFFFFFFF) + au(0xFFFFFFFF), r"is several files joined \(another begins at byte 6028\)"),
        (au(6000) + au(6000), r"is several files joined, .*\(another begins at byte 6028\)"),
        (au(6000)[:13], "is cut short within its header, after 13 bytes"),
        (au(0, b""), "holds no samples"),
        (voc(LITTLE, LITTLE), "has 2 blocks of samples, of which only the first can be read; write it as WAV"),
        (voc(LITTLE)[:-10], "is cut short: its header promises 3000 samples, but it holds 2995"),
    ],
    ids=range(9),
)
def test_every_fault_is_named(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(AudioError, match=f"a: {message}"):
        read_audio(tmp_path / "a")
