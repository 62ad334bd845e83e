"""Readers of corpora (TIMIT, Kaldi folders, tables) and the synthesised demo corpus."""

# Not `demo`: it imports `espeak`, which is also run as a program.
from cnn_mellin.corpora.kaldi import read_kaldi, read_kaldi_parts
from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.timit_partitions import timit_partitions
from cnn_mellin.corpora.utterance import TimedPhone, TimedWord, Utterance

__all__ = [
    "TimedPhone",
    "TimedWord",
    "Utterance",
    "read_kaldi",
    "read_kaldi_parts",
    "read_table",
    "read_timit",
    "timit_partitions",
]
