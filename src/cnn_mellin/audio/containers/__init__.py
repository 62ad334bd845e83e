"""Audio containers: the length that a header promises, compared with the length of the file."""

from cnn_mellin.audio.containers.headers import bytes_left_over, read_promise
from cnn_mellin.audio.containers.promise import DamagedAudioError, Promise

__all__ = ["DamagedAudioError", "Promise", "bytes_left_over", "read_promise"]
