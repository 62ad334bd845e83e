"""Torch modules of Mellin layers and what surrounds them."""

from cnn_mellin.layers.attention_pooling import AttentionPooling
from cnn_mellin.layers.dilation_lift import DilationLift
from cnn_mellin.layers.log_compression import LogCompression
from cnn_mellin.layers.log_time_front_end import LogTimeFrontEnd
from cnn_mellin.layers.mellin_conv import MellinConv1d, MellinLinearConv2d

__all__ = [
    "AttentionPooling",
    "DilationLift",
    "LogCompression",
    "LogTimeFrontEnd",
    "MellinConv1d",
    "MellinLinearConv2d",
]
