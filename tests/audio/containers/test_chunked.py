"""Hand-built RIFF, RF64, W64, AIFF and CAF headers: unknown, wrong or missing lengths, or long chunks before them."""

import struct

import numpy as np
import pytest
import soundfile

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.errors import AudioError

SAMPLES = np.random.default_rng(2).integers(-9999, 9999, 3000)
LITTLE, BIG = SAMPLES.astype("<i2").tobytes(), SAMPLES.astype(">i2").tobytes()
GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")


def wav(data=LITTLE, size=None, riff_size=None, before=b"", after=b"", kind=1, width=2, order="<", magic=b"RIFF"):
    form = struct.pack(order + "IHHIIHH", 16, kind, 1, 16000, 16000 * width, width, 8 * width)
    rest = b"WAVE" + before + b"fmt " + form + b"data" + struct.pack(order + "I", len(data) if size is None else size)
    rest += data + after
    return magic + struct.pack(order + "I", len(rest) if riff_size is None else riff_size) + rest


def rf64(data_size, *, size=0xFFFFFFFF):
    lengths = struct.pack("<IQQQI", 28, 0, data_size, 0, 0)
    return wav(size=size, riff_size=0xFFFFFFFF, before=b"ds64" + lengths, magic=b"RF64")


def w64(data_size):
    form = b"fmt " + GUID + struct.pack("<QHHIIHH", 40, 1, 1, 16000, 32000, 2, 16)
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000") + struct.pack("<Q", data_size) + b"wave" + GUID + form
    return head + b"data" + GUID + struct.pack("<Q", data_size) + LITTLE


def aiff(num_frames, size, form_size=0, after=b""):
    rate = bytes.fromhex("400cfa00000000000000")
    common = b"COMM" + struct.pack(">IHIH", 18, 1, num_frames, 16) + rate
    return (
        b"FORM"
        + struct.pack(">I", form_size)
        + b"AIFF"
        + common
        + b"SSND"
        + struct.pack(">III", size, 0, 0)
        + BIG
        + after
    )


def caf(size):
    description = struct.pack(">d4sIIIII", 16000.0, b"lpcm", 2, 2, 1, 1, 16)
    data = struct.pack(">qI", size, 0)
    return b"caff" + struct.pack(">HH", 1, 0) + b"desc" + struct.pack(">q", 32) + description + b"data" + data + LITTLE


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFF000, 0x7FFFFFFF, 0x7FFF0000, 0x80000000])
@pytest.mark.parametrize("riff_size", [0, 36, 0xFFFFFFFF, 0x7FFFF024])
def test_wav_of_unknown_length_is_read_to_its_end(tmp_path, size, riff_size):
    (tmp_path / "a.wav").write_bytes(wav(size=size, riff_size=riff_size))
    assert np.array_equal(read_audio(tmp_path / "a.wav"), SAMPLES)


def test_the_placeholder_of_sox_is_rounded_to_whole_24_bit_samples(tmp_path):
    data = b"".join(struct.pack("<i", sample << 8)[:3] for sample in SAMPLES.tolist())
    (tmp_path / "a.wav").write_bytes(wav(data, size=0x7FFFF000 // 3 * 3, width=3))
    assert np.array_equal(read_audio(tmp_path / "a.wav"), SAMPLES)


@pytest.mark.parametrize("kind", [6, 7])
def test_companded_wav_of_unknown_length_is_read_to_its_end(tmp_path, kind):
    (tmp_path / "a.wav").write_bytes(wav(bytes(range(200)), size=0, kind=kind, width=1))
    assert len(read_audio(tmp_path / "a.wav")) == 200


def test_a_span_of_a_wav_of_unknown_length_is_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(size=0))
    assert np.array_equal(read_audio(tmp_path / "a.wav", start_s=0.1, end_s=0.15), SAMPLES[1600:2400])


@pytest.mark.parametrize(
    "content",
    [
        rf64(0),
        rf64(2**64 - 1),
        rf64(0, size=0),
        w64(0),
        w64(24),
        w64(2**63 - 1),
        w64(2**64 - 1),
        aiff(0, 0),
        aiff(0x7F000000, 0xFE000008),
        aiff(0xFFFFFFFF, 0xFFFFFFFF),
        aiff(3000, 0),
        aiff(3000, 0xFFFFFFFF),
        caf(-1),
        caf(0),
        wav(BIG, size=0, order=">", magic=b"RIFX"),
    ],
    ids=range(15),
)
def test_other_containers_of_unknown_length_are_read_to_their_end(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert np.array_equal(read_audio(tmp_path / "a"), SAMPLES)


@pytest.mark.parametrize(
    ("content", "promised", "there"),
    [
        (wav(size=6002), 3001, 3000),
        (wav(size=0x60000000), 0x30000000, 3000),
        (wav(size=0xC0000000), 0x60000000, 3000),
        (wav(before=b"LIST" + struct.pack("<I", 200_000) + bytes(200_000))[:-1000], 3000, 2500),
        (wav(LITTLE[:-2], size=6000, magic=b"RIFF"), 3000, 2999),
        (rf64(7000), 3500, 3000),
        (rf64(2**40), 2**39, 3000),
        (w64(24 + 7000), 3500, 3000),
        (aiff(3500, 7008), 3500, 3000),
        (aiff(3500, 6008), 3500, 3000),
        (caf(7004), 3500, 3000),
    ],
    ids=range(11),
)
def test_fewer_samples_than_promised_are_refused(tmp_path, content, promised, there):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(
        AudioError, match=f"a: is cut short: its header promises {promised} samples, but it holds {there}"
    ):
        read_audio(tmp_path / "a")


def test_a_truncated_file_is_refused_even_if_the_span_is_complete(tmp_path):
    (tmp_path / "a").write_bytes(wav()[:-1000])
    with pytest.raises(AudioError, match="is cut short: its header promises 3000 samples, but it holds 2500"):
        read_audio(tmp_path / "a", end_s=0.1)


def test_the_first_64_kib_may_be_tags(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(before=b"LIST" + struct.pack("<I", 70_000) + bytes(70_000)))
    assert np.array_equal(read_audio(tmp_path / "a.wav"), SAMPLES)


@pytest.mark.parametrize(
    "content", [wav(LITTLE + b"\1", size=0), aiff(0, 0, after=b"\1"), w64(0) + b"\1", caf(-1) + b"\1"]
)
def test_a_stream_that_ends_within_a_sample_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(AudioError, match="is cut short: its last sample has 1 of 2 bytes"):
        read_audio(tmp_path / "a")


@pytest.mark.parametrize("content", [wav(size=0), rf64(0), w64(0), aiff(0, 0), caf(-1)])
def test_joined_streams_are_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content + content)
    with pytest.raises(AudioError, match=rf"is several files joined \(another begins at byte {len(content)}\)"):
        read_audio(tmp_path / "a")


@pytest.mark.parametrize(
    "content",
    [
        wav(b"", after=b"LIST\x04\0\0\0abcd"),
        wav(b""),
        wav(b"", size=0xFFFFFFFF),
        aiff(0, 8)[: -len(BIG)],
        w64(24)[: -len(LITTLE)],
        caf(4)[: -len(LITTLE)],
    ],
    ids=range(6),
)
def test_a_header_without_samples_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(AudioError, match="a: holds no samples"):
        read_audio(tmp_path / "a")


@pytest.mark.parametrize("end", [4, 8, 11, 14, 20, 33, 43])
def test_a_truncated_header_is_refused_in_one_line(tmp_path, end):
    (tmp_path / "a").write_bytes(wav()[:end])
    with pytest.raises(
        AudioError, match=r"a: (is not an audio file that can be read|is cut short within its header|holds no samples)"
    ):
        read_audio(tmp_path / "a")


def test_more_samples_than_promised_give_a_warning(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(size=4000, riff_size=4036))
    with pytest.warns(UserWarning, match="a.wav: 2000 bytes after its 2000 samples are not read"):
        assert np.array_equal(read_audio(tmp_path / "a.wav"), SAMPLES[:2000])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "ULAW"])
def test_extensible_wav_counts_samples_in_the_same_way(tmp_path, subtype):
    soundfile.write(tmp_path / "a", SAMPLES.astype(np.int16), 16000, format="WAVEX", subtype=subtype)
    assert len(read_audio(tmp_path / "a")) == 3000
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-30])
    with pytest.raises(AudioError, match="is cut short: its header promises 3000 samples, but it holds 29[789]"):
        read_audio(tmp_path / "a")
