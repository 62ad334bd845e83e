"""Options of `cnn-mellin prep` for corpora that are known by name."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["add_known_corpora"]


def add_known_corpora(
    kinds: argparse._SubParsersAction[CommandParser], add_data_options: Callable[[CommandParser], None], writes: str
) -> None:
    """Add the kinds of corpus.

    Args:
        kinds: kinds of corpus of the command.
        add_data_options: function that adds the options of all kinds.
        writes: sentence on what is written.
    """
    speechocean762 = _kind(
        kinds,
        "speechocean762",
        "speechocean762: English read by 250 speakers of Mandarin, children and adults",
        "Prepare speechocean762 as its authors distribute it (free for any use): 39 phones from resource/text-phone, "
        "its train and test, and a tenth of train, by speaker, as dev. All counts are checked.",
        writes,
        add_data_options,
    )
    speechocean762.add_argument("--adults", action="store_true", help="only the speakers of 16 years and more")
    speechocean762.add_argument(
        "--perceived",
        action="store_true",
        help="the phones that experts heard, from scores.json, instead of those that were to be said; SPN is what they "
        "marked as no phone",
    )
    fsdd = _kind(
        kinds,
        "fsdd",
        "Free Spoken Digit Dataset: six speakers, 8 kHz",
        "Prepare the Free Spoken Digit Dataset (CC BY-SA 4.0) with the phones of the ten words; speakers nicolas and "
        "theo are test and dev. All counts are checked. Its recordings have 8000 Hz.",
        writes,
        add_data_options,
    )
    fsdd.add_argument(
        "--official-split",
        action="store_true",
        help="the authors' test recordings, 0 to 4 of each speaker and digit; dev is 5 to 9, train the rest",
    )
    _kind(
        kinds,
        "voxangeles",
        "VoxAngeles: words of 95 languages, phones with times by hand",
        "Prepare the audited part of VoxAngeles (CC BY-NC 4.0), whose archives are unpacked. Languages stand for "
        "speakers: a fifth of the words, by language, is test, a tenth of the others dev. All counts are checked. Its "
        "recordings have 44100 and 48000 Hz.",
        writes,
        add_data_options,
    )
    _kind(
        kinds,
        "tusom2021",
        "tusom2021: words of East Tusom in narrow IPA",
        "Prepare tusom2021 (MIT licence) in its authors' partitions, with phones without tones. All counts are "
        "checked. Its recordings have 22050 and 16000 Hz; it does not name its speakers.",
        writes,
        add_data_options,
    )


def _kind(
    kinds: argparse._SubParsersAction[CommandParser],
    name: str,
    text: str,
    description: str,
    writes: str,
    add_data_options: Callable[[CommandParser], None],
) -> CommandParser:
    parser = kinds.add_parser(
        name, help=text, description=f"{description} {writes}", examples=[f"cnn-mellin prep {name} {name} data"]
    )
    parser.add_argument("corpus", metavar="DIR", help="folder of the corpus, as its authors distribute it")
    add_data_options(parser)
    parser.add_argument("--partial", action="store_true", help="accept a corpus with other counts")
    return parser
