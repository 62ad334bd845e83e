import tracemalloc

import numpy as np
import pytest

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.errors import AudioError

SAMPLES = np.random.default_rng(7).integers(-9999, 9999, 1000)
BODY = SAMPLES.astype("<i2").tobytes()


def sphere(*changes: str, header: str = "   1024", body: bytes = BODY) -> bytes:
    fields = {
        "sample_count": "-i 1000",
        "sample_rate": "-i 16000",
        "channel_count": "-i 1",
        "sample_n_bytes": "-i 2",
        "sample_byte_format": "-s2 01",
        "sample_coding": "-s3 pcm",
    }
    for change in changes:
        name, value = change.split(" ", 1)
        fields[name] = value
    text = "".join(f"{name} {value}\n" for name, value in fields.items())
    return f"NIST_1A\n{header}\n{text}end_head\n".encode().ljust(1024) + body


def test_a_count_of_0_before_samples_means_unknown(tmp_path):
    (tmp_path / "a").write_bytes(sphere("sample_count -i 0"))
    assert np.array_equal(read_audio(tmp_path / "a"), SAMPLES)


def test_bytes_after_the_samples_give_a_warning_and_are_not_read(tmp_path):
    (tmp_path / "a").write_bytes(sphere() + b"\1" * 600)
    with pytest.warns(UserWarning, match="a: 600 bytes after its 1000 samples are not read"):
        assert np.array_equal(read_audio(tmp_path / "a"), SAMPLES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (sphere("sample_count -i -5"), "has sample_count -5 in its SPHERE header; it must be at least 0"),
        (sphere("sample_count -i 1_000"), "has sample_count 1_000 in its SPHERE header"),
        (sphere("sample_count -i " + "9" * 700), "has sample_count 9{30}... in its SPHERE header"),
        (
            sphere("sample_count -i 999999999999999999"),
            "its header promises 999999999999999999 samples, but it holds 1000",
        ),
        (sphere("sample_n_bytes -i 0"), "has sample_n_bytes 0 in its SPHERE header; it must be 1 to 8"),
        (sphere("sample_n_bytes -i -2"), "has sample_n_bytes -2 in its SPHERE header; it must be 1 to 8"),
        (sphere("channel_count -i 0"), "has channel_count 0 in its SPHERE header; it must be 1 to 1024"),
        (sphere("channel_count -i 99999999"), "has channel_count 99999999 in its SPHERE header"),
        (sphere(header="999999999999999"[:7]), "has a SPHERE header of 9999999 bytes; it must be 17 to 1048576"),
        (sphere(header="     -1"), "has a SPHERE header of -1 bytes; it must be 17 to 1048576"),
        (sphere(header="      0"), "has a SPHERE header of 0 bytes; it must be 17 to 1048576"),
        (sphere(header="    abc"), "is not a whole SPHERE file: its header lacks its size"),
        (sphere() + sphere(), r"is several files joined, .*\(another begins at byte 3024\)"),
        (sphere("sample_count -i 0") + sphere(), r"is several files joined \(another begins at byte 3024\)"),
        (sphere("sample_count -i 0", body=BODY[:-1]), "is cut short: its last sample has 1 of 2 bytes"),
    ],
    ids=range(15),
)
def test_absurd_headers_are_refused_in_one_line_and_little_memory(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(AudioError, match=f"a: .*{message}") as caught:
        read_audio(tmp_path / "a")
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
