"""Alignment, phone error rate and transcripts."""
