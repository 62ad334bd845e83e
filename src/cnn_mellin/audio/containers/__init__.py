"""Containers of audio: the length that a header promises, compared with what is there."""

from cnn_mellin.audio.containers.headers import bytes_left_over, read_promise
from cnn_mellin.audio.containers.promise import DamagedAudioError, Promise

__all__ = ["DamagedAudioError", "Promise", "bytes_left_over", "read_promise"]
