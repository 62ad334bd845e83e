"""Options of `cnn-mellin data`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.trained_model import add_epoch_option

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = "Inspect, verify, plot and convert data directories."
EXAMPLES = ["cnn-mellin data info data", "cnn-mellin data verify data"]


def add_options(parser: CommandParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser(
        "info",
        help="list utterances, hours, frames, symbols and lengths",
        description="List for each partition the numbers of utterances, hours, frames and symbols, the smallest, "
        "median and largest number per utterance, the features, the size, and the first digits of the fingerprint.",
        examples=["cnn-mellin data info data", "cnn-mellin data info data/fbank-81-10ms/test --json"],
    )
    _add_folders(info)
    info.add_argument("--json", action="store_true", help="print all figures as JSON, for other programs")
    verify = actions.add_parser(
        "verify",
        help="check partitions and list every fault",
        description="Check partitions strictly and list every fault. Each utterance has finite features and a "
        "reference of the right shapes and types; 0 <= first < end <= frames if times are given; classes are below the "
        "number of symbols; packed partitions match their checksum, and the files in ext agree. Exits with status 2 if "
        "there is a fault.",
        examples=["cnn-mellin data verify data"],
    )
    _add_folders(verify)
    plot = actions.add_parser(
        "plot",
        help="plot one utterance",
        description="Plot one utterance as PNG: waveform (of --audio, or of the partition of raw audio prepared beside "
        "this one), features, and phone boundaries. Needs the extra `report`.",
        examples=["cnn-mellin data plot data/fbank-81-10ms/test UTTERANCE utterance.png"],
    )
    plot.add_argument("partition", metavar="PARTITION", help="folder of the partition")
    plot.add_argument("utterance", metavar="UTTERANCE", help="id of the utterance")
    plot.add_argument("out", metavar="OUT.png", help="file to write")
    plot.add_argument("--audio", metavar="FILE", help="recording of the utterance, for the waveform")
    export = actions.add_parser(
        "export",
        help="convert partitions to tensor files, or to the formats of other programs",
        description="Convert a packed partition to one feat/UTT.pt and one ref/UTT.pt per utterance; or, with --to, a "
        "partition or all partitions of a data directory to Kaldi folders, Lhotse manifests, Praat TextGrids or "
        "Hugging Face tables, with audio, speakers, symbols and their times, which cnn-mellin prep reads again. Audio "
        "is taken from the partition of raw audio beside the others (prep --features ... raw), or from --audio.",
        examples=[
            "cnn-mellin data export data/fbank-81-10ms/test tensor-files",
            "cnn-mellin data export data/fbank-81-10ms praat --to textgrid --model exp/mcorr",
            "cnn-mellin data export data/fbank-81-10ms manifests --to lhotse --audio corpus.tsv",
        ],
    )
    _add_conversion(export)
    export.add_argument(
        "--to",
        dest="form",
        default="tensors",
        choices=("tensors", "kaldi", "lhotse", "textgrid", "huggingface"),
        help="format to write (default: tensors)",
    )
    export.add_argument(
        "--audio",
        dest="recordings",
        metavar="CORPUS",
        help="table, Kaldi folders or Lhotse manifests that the data were prepared from, whose recordings to use",
    )
    export.add_argument("--labels-only", action="store_true", help="write no audio")
    export.add_argument(
        "--model",
        metavar="MODEL",
        help="model folder: add the model's alignment of the symbols, to compare with the corpus's times, or instead",
    )
    add_epoch_option(export)
    line = "convert one feat/UTT.pt and one ref/UTT.pt per utterance to a packed partition"
    tensors = actions.add_parser(
        "import",
        help=line,
        description=f"{line[0].upper()}{line[1:]}.",
        examples=["cnn-mellin data import tensor-files packed"],
    )
    _add_conversion(tensors)


def _add_conversion(parser: CommandParser) -> None:
    parser.add_argument("source", metavar="PARTITION", help="folder to read")
    parser.add_argument("target", metavar="OUT", help="folder to write; an older result of this command is replaced")


def _add_folders(parser: CommandParser) -> None:
    parser.add_argument(
        "paths", nargs="+", metavar="FOLDER", help="packed or unpacked partitions, or folders that hold partitions"
    )
