"""Decoding: from logits to phones."""

from cnn_mellin.decoding.blank_bias import add_blank_bias
from cnn_mellin.decoding.decoded_files import DecodedFile, decode_to_files
from cnn_mellin.decoding.ensemble import ensemble_source
from cnn_mellin.decoding.ensemble_search import ensemble_search
from cnn_mellin.decoding.forced_alignment import forced_alignment
from cnn_mellin.decoding.greedy import greedy_search, greedy_segments
from cnn_mellin.decoding.logit_source import LogitSource, partition_logits
from cnn_mellin.decoding.n_best import write_n_best
from cnn_mellin.decoding.prefix_beam_search import prefix_beam_search
from cnn_mellin.decoding.recognition import DecoderSetting, Recognition, recognise
from cnn_mellin.decoding.sequence_scores import sequence_log_probs
from cnn_mellin.decoding.transcribed_files import TranscribedFile, transcribe_files
from cnn_mellin.decoding.transcriber import Transcriber, Transcription

__all__ = [
    "DecodedFile",
    "DecoderSetting",
    "LogitSource",
    "Recognition",
    "TranscribedFile",
    "Transcriber",
    "Transcription",
    "add_blank_bias",
    "decode_to_files",
    "ensemble_search",
    "ensemble_source",
    "forced_alignment",
    "greedy_search",
    "greedy_segments",
    "partition_logits",
    "prefix_beam_search",
    "recognise",
    "sequence_log_probs",
    "transcribe_files",
    "write_n_best",
]
