import numpy as np
import pytest
import soundfile

from cnn_mellin.audio.reading import read_audio, write_sphere
from cnn_mellin.audio.recording import Conversion, read_mono, read_recording
from cnn_mellin.audio.resampling import resampler
from cnn_mellin.errors import AudioError, SettingsError


def tone(rate: int, hertz: float = 440.0, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_resampling_keeps_the_frequency_of_a_tone(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(rate), rate, subtype="FLOAT")
    samples, changes = read_recording(tmp_path / "a.wav")
    assert changes == [f"resampled from {rate} to 16000 Hz with {resampler()}"]
    assert abs(len(samples) - 8000) <= 1
    middle = slice(1000, 7000)  # the filter rings at the ends
    np.testing.assert_allclose(samples[middle] / 32768, tone(16000)[middle], atol=2e-3)


def test_resampling_does_not_alias(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(44100, hertz=11000), 44100, subtype="FLOAT")
    samples, _ = read_recording(tmp_path / "a.wav")
    assert np.abs(samples[1000:7000]).max() < 0.01 * 32768


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_mixing_down_channels_is_reported(tmp_path, name):
    both = np.stack([tone(16000), -0.5 * tone(16000)], 1)
    soundfile.write(tmp_path / name, both, 16000)
    samples, changes = read_recording(tmp_path / name)
    assert changes == ["2 channels mixed down"]
    np.testing.assert_allclose(samples / 32768, both.mean(1), atol=1e-4)


def test_without_changes_read_recording_equals_read_audio(tmp_path):
    write_sphere(tmp_path / "a.sph", np.arange(-50, 50), 16000)
    samples, changes = read_recording(tmp_path / "a.sph")
    assert changes == []
    np.testing.assert_array_equal(samples, read_audio(tmp_path / "a.sph"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"garbage" * 20, "is not an audio file that can be read"),
        (None, "cannot be read"),
    ],
)
def test_the_error_names_a_faulty_file(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=f"a.wav: {message}"):
        read_recording(tmp_path / "a.wav")


def test_a_truncated_stereo_file_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([tone(8000)] * 2, 1), 8000)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:-4000])
    with pytest.raises(AudioError, match="is cut short: its header promises 4000 samples, but it holds 3000"):
        read_recording(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [1, 999, 768_001, 999_999_937, 2_147_483_647])
def test_absurd_sample_rates_are_refused_before_resampling(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.zeros(999), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(
        AudioError, match=f"a.wav: sample rate is {rate} Hz; expected 1000 to 768000 Hz; correct its header"
    ):
        read_recording(tmp_path / "a.wav")


def test_a_sample_rate_of_zero_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(999), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[24:28] = bytes(4)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=r"a.wav: (is not an audio file that can be read|sample rate is 0 Hz)"):
        read_recording(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [1009, 191_999, 767_957])
def test_sample_rates_without_a_common_divisor_have_a_bounded_filter(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(rate, 200.0, 0.2), rate, subtype="FLOAT")
    samples, _ = read_recording(tmp_path / "a.wav")
    assert abs(len(samples) - 3200) <= 16000 // rate + 1
    middle = slice(500, 2700)
    np.testing.assert_allclose(samples[middle] / 32768, tone(16000, 200.0, 0.2)[middle], atol=2e-3)


def test_one_channel_is_taken_from_a_span_as_if_it_were_a_file_of_its_own(tmp_path):
    both = np.stack([tone(8000), tone(8000, 300.0)], 1)
    soundfile.write(tmp_path / "both.wav", both, 8000, subtype="FLOAT")
    for channel in (1, 2):
        soundfile.write(tmp_path / "one.wav", both[:, channel - 1], 8000, subtype="FLOAT")
        path = tmp_path / "both.wav"
        wanted = Conversion(channel=channel)
        taken = read_mono(path, sample_rate_hz=8000, start_s=0.125, end_s=0.25, conversion=wanted)
        assert (taken.sample_rate_hz, taken.num_channels, len(taken.samples)) == (8000, 2, 1000)
        np.testing.assert_array_equal(
            taken.samples, read_audio(tmp_path / "one.wav", sample_rate_hz=8000, start_s=0.125, end_s=0.25)
        )


@pytest.mark.parametrize(
    ("conversion", "message"),
    [
        (Conversion(), "sample rate is 8000 Hz; expected 16000 Hz; resample the file"),
        (Conversion(resample=True), "has 2 channels, but must have one; extract one, or mix them down"),
        (Conversion(resample=True, channel=3), "has 2 channels, but channel 3 is wanted; name another one"),
    ],
)
def test_only_allowed_changes_are_made(tmp_path, conversion, message):
    soundfile.write(tmp_path / "a.wav", np.stack([tone(8000)] * 2, 1), 8000)
    with pytest.raises(AudioError, match=f"a.wav: {message}"):
        read_mono(tmp_path / "a.wav", conversion=conversion)


def test_a_channel_is_counted_from_one_and_not_mixed():
    with pytest.raises(SettingsError, match="channel 0: must be at least 1"):
        Conversion(channel=0)
    with pytest.raises(SettingsError, match="channel 1: cannot be taken and mixed down"):
        Conversion(mix_down=True, channel=1)
