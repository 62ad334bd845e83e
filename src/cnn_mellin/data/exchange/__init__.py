"""Data directories in the formats of other programs: Kaldi, Lhotse, Praat's TextGrids, Hugging Face's tables."""

from cnn_mellin.data.exchange.export import FORMATS, export_corpus
from cnn_mellin.data.exchange.labelled_audio import LabelledAudio, Recording

__all__ = ["FORMATS", "LabelledAudio", "Recording", "export_corpus"]
