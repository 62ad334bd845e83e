"""Corpora as records of utterances, with checks."""
