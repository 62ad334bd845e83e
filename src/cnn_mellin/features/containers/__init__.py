"""Containers of audio: the length that a header promises, which the audio library does not compare with what is there."""

from cnn_mellin.features.containers.headers import bytes_left_over, read_promise
from cnn_mellin.features.containers.promise import DamagedAudio, Promise

__all__ = ["DamagedAudio", "Promise", "bytes_left_over", "read_promise"]
