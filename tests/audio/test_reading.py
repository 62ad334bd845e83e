import struct

import numpy as np
import pytest
import soundfile

from cnn_mellin.audio.reading import count_samples, read_audio, write_sphere
from cnn_mellin.errors import AudioError

SAMPLES = np.random.default_rng(1).integers(-32768, 32768, 1000)


def sphere(count: int, body: bytes, *, header_bytes: int = 1024, order: str = "01", coding: str = "") -> bytes:
    fields = f"sample_count -i {count}\nsample_rate -i 16000\nchannel_count -i 1\nsample_n_bytes -i 2\n"
    fields += f"sample_byte_format -s2 {order}\nsample_sig_bits -i 16\n{coding}end_head\n"
    return f"NIST_1A\n{header_bytes:7d}\n{fields}".encode().ljust(header_bytes) + body


LITTLE, BIG = SAMPLES.astype("<i2").tobytes(), SAMPLES.astype(">i2").tobytes()


@pytest.mark.parametrize(
    "content",
    [
        sphere(1000, LITTLE),
        sphere(1000, BIG, order="10"),
        sphere(1000, LITTLE, header_bytes=2048),
        sphere(1000, LITTLE, coding="sample_coding -s3 pcm\n"),
    ],
    ids=["little-endian", "big-endian", "long-header", "coding-named"],
)
@pytest.mark.parametrize("name", ["a.WAV", "a.wav", "a.sph"])
def test_every_form_of_sphere_is_read_with_any_extension(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    assert np.array_equal(read_audio(tmp_path / name), SAMPLES)


@pytest.mark.parametrize("file_format", ["WAV", "FLAC", "AIFF"])
def test_other_formats_are_recognised_by_content(tmp_path, file_format):
    soundfile.write(tmp_path / "a.WAV", SAMPLES.astype(np.int16), 16000, format=file_format)
    assert np.array_equal(read_audio(tmp_path / "a.WAV"), SAMPLES)


def test_written_sphere_is_read_by_us_and_by_the_library(tmp_path):
    write_sphere(tmp_path / "a.wav", SAMPLES, 16000)
    assert np.array_equal(read_audio(tmp_path / "a.wav"), SAMPLES)
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert (rate, soundfile.info(tmp_path / "a.wav").format) == (16000, "NIST")
    assert np.array_equal(samples, SAMPLES)


@pytest.mark.parametrize("samples", [[32768], [-32769], [[1, 2]], [0.5], [float("nan")]])
def test_samples_that_are_not_16_bit_are_not_written(tmp_path, samples):
    with pytest.raises(ValueError, match="must be one axis of whole numbers in -32768..32767"):
        write_sphere(tmp_path / "a.wav", samples, 16000)
    assert list(tmp_path.iterdir()) == []


def riff(count: int, body: bytes, rate: int = 16000, channels: int = 1) -> bytes:
    size, width = 2 * count, 2 * channels
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, channels, rate, rate * width, width, 16
    )
    return header + struct.pack("<4sI", b"data", size) + body


def nan_wav() -> bytes:
    values = np.zeros(10, "<f4")
    values[7] = np.nan
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + 40, b"WAVE", b"fmt ", 16, 3, 1, 16000, 64000, 4, 32)
    return header + struct.pack("<4sI", b"data", 40) + values.tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (b"garbage " * 100, "is not an audio file that can be read"),
        (bytes(5000), "is not an audio file that can be read"),
        (sphere(1000, LITTLE[:-2]), "its header promises 1000 samples, but it holds 999"),
        (sphere(5000, LITTLE), "its header promises 5000 samples, but it holds 1000"),
        (sphere(1000, LITTLE)[:500], "its header promises 1000 samples, but it holds 0"),
        (sphere(1000, LITTLE)[:20], "is not a whole SPHERE file"),
        (sphere(0, b""), "holds no samples"),
        (sphere(1000, b"ajkg" + LITTLE), "is compressed with shorten; decompress it first"),
        (sphere(1000, LITTLE, coding="sample_coding -s26 pcm,embedded-shorten-v2.00\n"), "is compressed with shorten"),
        (riff(1000, LITTLE[:-600]), "its header promises 1000 samples, but it holds 700"),
        (riff(1000, LITTLE, rate=8000), "sample rate is 8000 Hz; expected 16000 Hz"),
        (riff(1000, LITTLE, channels=2), "has 2 channels"),
        (nan_wav(), "sample 7 is NaN or infinite"),
    ],
)
def test_every_fault_is_one_line_that_names_the_file(tmp_path, content, message):
    path = tmp_path / "a.WAV"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=message) as caught:
        read_audio(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(AudioError, match="cannot be read"):
        read_audio(tmp_path)


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (0.0, 0.025, SAMPLES[:400]),
        (0.01, 0.0201, SAMPLES[160:322]),
        (0.05, None, SAMPLES[800:]),
        (0.05, 0.16, SAMPLES[800:]),
    ],
)
def test_a_span_of_a_file_is_read(tmp_path, start_s, end_s, expected):
    write_sphere(tmp_path / "a.wav", SAMPLES, 16000)
    assert np.array_equal(read_audio(tmp_path / "a.wav", start_s=start_s, end_s=end_s), expected)


@pytest.mark.parametrize(
    ("start_s", "end_s", "span"), [(0.0625, None, "0.0625 to 0.0625"), (0.01, 0.17, "0.01 to 0.17")]
)
def test_a_span_past_the_end_is_refused(tmp_path, start_s, end_s, span):
    write_sphere(tmp_path / "a.wav", SAMPLES, 16000)
    with pytest.raises(AudioError, match=f"a.wav: lasts 0.062 s, but the segment is {span} s; mend the segment"):
        read_audio(tmp_path / "a.wav", start_s=start_s, end_s=end_s)


@pytest.mark.parametrize("span", [(0.00001, 0.00002), (0.01, 0.01), (0.02, 0.01)])
def test_a_span_shorter_than_one_sample_is_refused(tmp_path, span):
    write_sphere(tmp_path / "a.wav", SAMPLES, 16000)
    message = (
        f"a.wav: the segment {span[0]:g} to {span[1]:g} s is shorter than one sample at 16000 Hz; mend the segment"
    )
    with pytest.raises(AudioError, match=message):
        read_audio(tmp_path / "a.wav", start_s=span[0], end_s=span[1])


@pytest.mark.parametrize("file_format", ["WAV", "AIFF", "MAT5", "IRCAM"])
@pytest.mark.parametrize(
    "samples", [SAMPLES / 1.0, SAMPLES * 0.01, np.arange(-5.0, 5.0)], ids=["16 bits", "quiet", "whole"]
)
@pytest.mark.filterwarnings("ignore:.*do not give their length")
def test_float_samples_in_units_of_integers_are_refused(tmp_path, file_format, samples):
    soundfile.write(tmp_path / "a.wav", samples, 16000, format=file_format, subtype="FLOAT")
    peak = f"{abs(samples.astype(np.float32)).max():g}"
    with pytest.raises(
        AudioError, match=f"a.wav: float samples reach {peak}, but full scale is 1: .* divide them by 32768"
    ):
        read_audio(tmp_path / "a.wav")


def test_float_samples_somewhat_above_full_scale_are_read(tmp_path):
    samples = np.linspace(-3.0, 2.5, 99, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav"), samples * 32768)


@pytest.mark.parametrize("channels", [1, 3])
def test_reading_in_blocks_equals_reading_in_one_call(tmp_path, monkeypatch, channels):
    soundfile.write(tmp_path / "a.flac", SAMPLES.astype(np.int16)[:999].reshape(-1, channels), 16000)
    at_once = read_audio(tmp_path / "a.flac", mix_down=True, start_s=0.001)
    monkeypatch.setattr("cnn_mellin.audio.reading._BLOCK", 50)
    assert np.array_equal(read_audio(tmp_path / "a.flac", mix_down=True, start_s=0.001), at_once)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (sphere(1000, LITTLE[:-2]), "is cut short: its header promises 1000 samples, but it holds 999"),
        (riff(1000, LITTLE, rate=8000), "sample rate is 8000 Hz; expected 16000 Hz"),
    ],
)
def test_count_samples_refuses_the_same_files_as_read_audio(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=f"a.wav: {message}"):
        count_samples(tmp_path / "a.wav")


def test_the_count_is_the_number_of_samples_read(tmp_path):
    for file_format in ("WAV", "FLAC", "OGG", "AIFF"):
        soundfile.write(tmp_path / "a", SAMPLES / 40000, 16000, format=file_format)
        assert count_samples(tmp_path / "a") == len(read_audio(tmp_path / "a")) == 1000
