"""Options of `cnn-mellin decode`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.decoder import add_decoder_options

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Recognise every utterance of a partition: by greedy search, or with --beam-width by CTC prefix search, optionally with a
language model (--lm-weight). MODEL is a trained model, whose logits are computed once for all decoding options, or a
folder of logits written by `cnn-mellin logits`. Several models of the same symbols and frame rate, such as the seeds
of a system, are an ensemble: the mean of their posteriors is decoded, or with --combine sequences each sequence has the
mean of all models' scores.

A trn file has one line per utterance, in the symbols that the model was trained on. OUT is such a file if its name ends
in .trn, or else a folder of files PARTITION.OPTIONS.trn. With several beam widths, weights, bonuses or biases, the
partition is decoded with each combination, and OUT must be a folder. `cnn-mellin compare` chooses among them on the dev
partition. With --num-best above 1, N-best lists are written beside each trn file, as .jsonl.
"""
EXAMPLES = [
    "cnn-mellin decode model data/fbank-81-10ms/test hyp.trn",
    "cnn-mellin decode models/seed1 models/seed2 data/fbank-81-10ms/test ensemble.trn --combine sequences "
    "--beam-width 16 --lm-weight 0.4 --insertion-bonus 1",
    "cnn-mellin decode model data/fbank-81-10ms/dev dev-hyps --beam-width 8 16 --lm-weight 0.2 0.5",
    "cnn-mellin decode model data/fbank-81-10ms/dev dev-hyps --beam-width 16 --lm-weight 0 0.2 0.4 "
    "--insertion-bonus 0 1 2 --blank-bias 0 -1",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument(
        "model_dirs",
        nargs="+",
        metavar="MODEL",
        help="folder of a trained model, or of logits; several are an ensemble",
    )
    parser.add_argument("partition", metavar="PARTITION", help="partition to recognise")
    parser.add_argument("out", metavar="OUT", type=Path, help="trn file to write, if the name ends in .trn; or folder")
    add_decoder_options(parser, "default: lm.arpa.gz in the ext folder beside the partition", several=True)
    parser.add_argument(
        "--combine",
        choices=("posteriors", "sequences"),
        default="posteriors",
        help="how several models decide together: by the mean of their posteriors in each frame (posteriors, the "
        "default), or, with --beam-width, by the mean of their scores of whole sequences (sequences), which deletes "
        "fewer phones where models hear a phone in different frames, but takes ten times as long",
    )
    parser.add_argument(
        "--ctm", action="store_true", help="also write the times of the best sequences beside each trn file, as .ctm"
    )
    parser.add_argument(
        "--frame-shift-ms",
        type=float,
        metavar="MS",
        help="milliseconds between the frames of the partition, for --ctm if the data do not hold it (tensor files)",
    )
