"""Readers of corpora (TIMIT, Kaldi, tables, TextGrids, Lhotse, Hugging Face) and the synthesised demo corpus."""

# Not `demo`: it imports `espeak`, which is also run as a program.
from cnn_mellin.corpora.huggingface import Columns, read_huggingface
from cnn_mellin.corpora.kaldi import read_kaldi, read_kaldi_parts
from cnn_mellin.corpora.lhotse import read_lhotse
from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.text_grids import read_text_grids
from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.timit_partitions import timit_partitions
from cnn_mellin.corpora.utterance import TimedPhone, TimedWord, Utterance

__all__ = [
    "Columns",
    "TimedPhone",
    "TimedWord",
    "Utterance",
    "read_huggingface",
    "read_kaldi",
    "read_kaldi_parts",
    "read_lhotse",
    "read_table",
    "read_text_grids",
    "read_timit",
    "timit_partitions",
]
