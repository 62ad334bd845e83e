"""Audio files: reading with checks of their length, resampling, and changes of speaking rate."""

from cnn_mellin.audio.reading import count_samples, read_audio, write_sphere
from cnn_mellin.audio.recording import Conversion, Recording, read_mono, read_recording
from cnn_mellin.audio.resampling import resample, resampler
from cnn_mellin.audio.speaking_rate import change_speaking_rate

__all__ = [
    "Conversion",
    "Recording",
    "change_speaking_rate",
    "count_samples",
    "read_mono",
    "read_audio",
    "read_recording",
    "resample",
    "resampler",
    "write_sphere",
]
