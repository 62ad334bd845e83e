"""Kinds of corpus of `cnn-mellin prep` in other programs' formats: TextGrids, Lhotse manifests, Hugging Face tables."""

from __future__ import annotations

from typing import Any

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["add_huggingface", "add_lhotse", "add_text_grid"]


def add_text_grid(kinds: Any, ending: str) -> CommandParser:
    """Add the kind `textgrid`.

    Args:
        kinds: group of subcommands to add it to.
        ending: sentences that end the description.
    """
    kind: CommandParser = kinds.add_parser(
        "textgrid",
        help="Praat TextGrids beside their recordings",
        description="Prepare all recordings below DIR that have a TextGrid of the same name beside them (long or short "
        "text form, UTF-8 or UTF-16). DIR/train, DIR/dev and DIR/test are the partitions, or else all is train. The "
        "speaker is the folder that holds the TextGrid, or, without one, the utterance itself; --speakers names a "
        "table instead. Each labelled interval of the tier is a phone, whose times are kept; empty intervals are left "
        f"out. {ending}",
        examples=[
            "cnn-mellin prep textgrid recordings own-data --tier phones --silence sil sp",
            "cnn-mellin prep textgrid fieldwork own-data --utterance-tier sentence --speakers speakers.tsv",
        ],
    )
    kind.add_argument("corpus", metavar="DIR", help="folder of recordings and TextGrids; also folders in it are read")
    kind.add_argument(
        "--tier",
        dest="tiers",
        nargs="+",
        default=["phones"],
        metavar="NAME",
        help="tier that holds the symbols (default: phones); of several names, the first that a TextGrid has",
    )
    _add_silence_option(kind, "labels that are left out like empty intervals, such as sil sp")
    kind.add_argument(
        "--untimed",
        action="store_true",
        help="read whole transcripts: intervals may hold several symbols, separated by spaces, and no times are kept",
    )
    kind.add_argument(
        "--utterance-tier",
        metavar="NAME",
        help="tier whose labelled intervals are utterances of their own, for long recordings",
    )
    kind.add_argument(
        "--speakers",
        metavar="FILE.tsv",
        help="table with tab-separated columns utterance, and speaker or partition or both, instead of folders",
    )
    kind.add_argument(
        "--names-from-paths",
        action="store_true",
        help="name utterances by folder and file (mary/001 is mary-001), where folders hold files of equal names",
    )
    _add_parts_option(kind, "FOLDER", "folders below DIR, such as train=read dev=spontaneous")
    return kind


def add_lhotse(kinds: Any, ending: str) -> CommandParser:
    """Add the kind `lhotse`; the arguments are those of `add_text_grid`."""
    kind: CommandParser = kinds.add_parser(
        "lhotse",
        help="Lhotse manifests of recordings and supervisions",
        description="Prepare the supervisions of Lhotse manifests, PREFIX_recordings_PART.jsonl.gz and "
        "PREFIX_supervisions_PART.jsonl.gz in DIR (also without prefix, part or .gz). Each supervision is an "
        "utterance; its symbols are its text, or an alignment, whose times are kept. Recordings must be audio files of "
        f"one channel. Lhotse itself is not needed. {ending}",
        examples=[
            "cnn-mellin prep lhotse manifests own-data",
            "cnn-mellin prep lhotse manifests own-data --alignment phone --parts train=train-clean-100 dev=dev-clean",
        ],
    )
    kind.add_argument("corpus", metavar="DIR", help="folder of the manifests")
    kind.add_argument(
        "--alignment",
        metavar="NAME",
        help="alignment of the supervisions to take symbols and times from (default: the text, without times)",
    )
    _add_silence_option(kind, "symbols of the alignment that are left out, such as sil sp")
    _add_parts_option(kind, "PART", "names in the manifests' file names, such as train=train-clean-100 dev=dev-clean")
    kind.add_argument(
        "--audio-root",
        default=".",
        metavar="FOLDER",
        help="folder that relative paths of recordings start from (default: the current folder)",
    )
    return kind


def add_huggingface(kinds: Any, ending: str) -> CommandParser:
    """Add the kind `huggingface`; the arguments are those of `add_text_grid`."""
    kind: CommandParser = kinds.add_parser(
        "huggingface",
        help="Hugging Face data sets: saved to disk, or Parquet files",
        description="Prepare a data set of Hugging Face's library `datasets`: a folder that save_to_disk wrote, or "
        "Parquet files (SPLIT-00000-of-00001.parquet in DIR or DIR/data, or SPLIT/*.parquet). Audio is stored in a "
        "column, and then extracted to files, or is the path of a file relative to DIR. Nothing is downloaded. Needs "
        f"the extra `huggingface` (pyarrow). {ending}",
        examples=[
            "cnn-mellin prep huggingface saved own-data",
            "cnn-mellin prep huggingface parquet own-data --transcript-column ipa --parts train dev=validation test",
        ],
    )
    kind.add_argument("corpus", metavar="DIR", help="folder of the data set, or one Parquet file")
    for column, what in (
        ("audio", "audio, as bytes or path (default: audio)"),
        ("transcript", "symbols, as a list or separated by spaces (default: phones, transcript or text)"),
        ("speaker", "speaker (default: speaker or speaker_id; without it, each utterance has its own)"),
        ("id", "utterance id (default: utterance or id; without it, the name of the audio file)"),
    ):
        kind.add_argument(f"--{column}-column", metavar="NAME", help=f"column of the {what}")
    kind.add_argument(
        "--time-columns",
        nargs=2,
        metavar=("START", "END"),
        help="columns with lists of the symbols' starts and ends in seconds (default: phone_starts, phone_ends)",
    )
    _add_parts_option(kind, "SPLIT", "splits, such as train dev=validation test (default: those three, if there)")
    kind.add_argument(
        "--audio-folder",
        metavar="FOLDER",
        help="folder to extract stored audio to; prep needs it again when it runs again (default: DATA/audio)",
    )
    return kind


def _add_silence_option(parser: CommandParser, what: str) -> None:
    parser.add_argument("--silence", dest="silences", nargs="+", default=[], metavar="SYMBOL", help=what)


def _add_parts_option(parser: CommandParser, metavar: str, what: str) -> None:
    parser.add_argument(
        "--parts", nargs="+", default=[], metavar=f"PARTITION={metavar}", help=f"partitions and their {what}"
    )
