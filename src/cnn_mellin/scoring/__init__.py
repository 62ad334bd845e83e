"""Alignment, phone error rate and transcripts."""

from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.transcripts import read_trn, write_trn

__all__ = ["phone_error_rate", "read_trn", "write_trn"]
