"""Options of `cnn-mellin transcribe`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.decoder import add_decoder_options
from cnn_mellin.cli.options.trained_model import add_feature_file_option

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Recognise audio files (wav, flac, NIST SPHERE) with a trained model, which computes the features that it was trained on.
Audio at another sample rate is resampled and several channels are mixed down; a message names each such file. A file
that cannot be read is named and left out, and the exit status is then 2. The result goes to standard output: for each
file a table of start, end (in seconds) and phone.
"""
EXAMPLES = [
    "cnn-mellin transcribe model recording.wav",
    "cnn-mellin transcribe model recording.wav --ctm --out recording.ctm --plot recording.png",
    "cnn-mellin transcribe model recording.wav --beam-width 16 --lm lm.arpa.gz --lm-weight 0.4 --insertion-bonus 1",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of a trained model")
    parser.add_argument("audio", nargs="+", type=Path, metavar="AUDIO", help="audio files to transcribe")
    add_decoder_options(parser, "such as lm.arpa.gz in the ext folder of a data directory", several=False)
    add_feature_file_option(parser)
    written = parser.add_mutually_exclusive_group()
    written.add_argument(
        "--ctm", action="store_true", help="write NIST's ctm, for scoring tools: file, channel, start, duration, phone"
    )
    written.add_argument(
        "--json", action="store_true", help="write one JSON object per line and file, with N-best lists, for programs"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write to instead of standard output")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="PLACE",
        help="also plot waveform, features, posteriors and phones: FILE.png for one file, or a folder (needs the extra "
        "`report`)",
    )
