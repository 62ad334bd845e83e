"""Pure functions of tensors: Mellin correlation and its output lengths."""

from cnn_mellin.ops.lengths import mellin_support_length, mellin_valid_length
from cnn_mellin.ops.mellin_correlation import mellin_correlate_1d, mellin_linear_correlate_2d

__all__ = [
    "mellin_correlate_1d",
    "mellin_linear_correlate_2d",
    "mellin_support_length",
    "mellin_valid_length",
]
