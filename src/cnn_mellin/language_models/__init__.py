"""N-gram language models: estimation, ARPA files, and tables for decoding."""

from cnn_mellin.language_models.arpa import read_arpa, write_arpa
from cnn_mellin.language_models.kneser_ney import estimate_kneser_ney
from cnn_mellin.language_models.ngram_model import NgramModel

__all__ = ["NgramModel", "estimate_kneser_ney", "read_arpa", "write_arpa"]
