"""Readers of corpora (TIMIT, Kaldi, tables, other programs' formats, known corpora) and the synthesised demo corpus."""

# Not `demo`: it imports `espeak`, which is also run as a program.
from cnn_mellin.corpora.fsdd import read_fsdd
from cnn_mellin.corpora.huggingface import Columns, read_huggingface
from cnn_mellin.corpora.kaldi import read_kaldi, read_kaldi_parts
from cnn_mellin.corpora.lhotse import read_lhotse
from cnn_mellin.corpora.speechocean762 import read_speechocean762
from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.text_grids import read_text_grids
from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.timit_partitions import timit_partitions
from cnn_mellin.corpora.tusom2021 import read_tusom2021
from cnn_mellin.corpora.utterance import TimedPhone, TimedWord, Utterance
from cnn_mellin.corpora.voxangeles import read_voxangeles

__all__ = [
    "Columns",
    "TimedPhone",
    "TimedWord",
    "Utterance",
    "read_fsdd",
    "read_huggingface",
    "read_kaldi",
    "read_kaldi_parts",
    "read_lhotse",
    "read_speechocean762",
    "read_table",
    "read_text_grids",
    "read_timit",
    "read_tusom2021",
    "read_voxangeles",
    "timit_partitions",
]
