"""Alignment, phone error rate, transcripts, and statistics of differences."""

from cnn_mellin.formats.transcripts import read_trn, write_ctm, write_trn
from cnn_mellin.scoring.error_counts import ErrorCounts
from cnn_mellin.scoring.phone_error_rate import CONVENTIONS, Convention, PhoneErrorRate, phone_error_rate

__all__ = [
    "CONVENTIONS",
    "Convention",
    "ErrorCounts",
    "PhoneErrorRate",
    "phone_error_rate",
    "read_trn",
    "write_ctm",
    "write_trn",
]
