"""Kinds of corpus of `cnn-mellin prep` that are known by name."""

from __future__ import annotations

from typing import Any

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["KNOWN_CORPORA"]


def _add_speechocean762(kinds: Any, ending: str) -> CommandParser:
    """Add the kind `speechocean762`.

    Args:
        kinds: group of subcommands to add it to.
        ending: sentences that end the description.
    """
    kind = _add_kind(
        kinds,
        "speechocean762",
        "speechocean762: English read by 250 speakers of Mandarin, children and adults",
        "Prepare speechocean762 as its authors distribute it, for any purpose: 39 phones from resource/text-phone, "
        f"its train and test, and a tenth of train, by speaker, as dev. All counts are checked. {ending}",
    )
    kind.add_argument("--adults", action="store_true", help="only the speakers of 16 years and more")
    kind.add_argument(
        "--perceived",
        action="store_true",
        help="the phones that experts heard, from scores.json, instead of those that were to be said; SPN is what they "
        "marked as no phone",
    )
    return kind


def _add_fsdd(kinds: Any, ending: str) -> CommandParser:
    """Add the kind `fsdd`; the arguments are those of `_add_speechocean762`."""
    kind = _add_kind(
        kinds,
        "fsdd",
        "Free Spoken Digit Dataset: ten digits, six speakers, 8 kHz",
        "Prepare the Free Spoken Digit Dataset (CC BY-SA 4.0) with the phones of the ten words; speakers nicolas and "
        f"theo are test and dev. All counts are checked. Its recordings have 8000 Hz. {ending}",
    )
    kind.add_argument(
        "--official-split",
        action="store_true",
        help="the authors' test recordings, 0 to 4 of each speaker and digit; dev is 5 to 9, train the rest",
    )
    return kind


def _add_voxangeles(kinds: Any, ending: str) -> CommandParser:
    """Add the kind `voxangeles`; the arguments are those of `_add_speechocean762`."""
    return _add_kind(
        kinds,
        "voxangeles",
        "VoxAngeles: words of 95 languages, phones with times by hand",
        "Prepare the audited part of VoxAngeles (CC BY-NC 4.0), whose archives are unpacked. Languages stand for "
        "speakers: a fifth of the words, by language, is test, a tenth of the others dev. All counts are checked. Its "
        f"recordings have 44100 and 48000 Hz (--resample). {ending}",
    )


def _add_tusom2021(kinds: Any, ending: str) -> CommandParser:
    """Add the kind `tusom2021`; the arguments are those of `_add_speechocean762`."""
    return _add_kind(
        kinds,
        "tusom2021",
        "tusom2021: words of East Tusom in narrow IPA",
        "Prepare tusom2021 (MIT licence) in its authors' partitions, with phones without tones. All counts are "
        "checked. Its recordings have 22050 and 16000 Hz (--resample); it does not name its speakers. "
        f"{ending}",
    )


def _add_kind(kinds: Any, name: str, text: str, description: str) -> CommandParser:
    kind: CommandParser = kinds.add_parser(
        name, help=text, description=description, examples=[f"cnn-mellin prep {name} {name} data"]
    )
    kind.add_argument("corpus", metavar="DIR", help="folder of the corpus, as its authors distribute it")
    kind.add_argument("--partial", action="store_true", help="accept a corpus with other counts")
    return kind


KNOWN_CORPORA = (_add_speechocean762, _add_fsdd, _add_voxangeles, _add_tusom2021)
"""Functions that each add one kind."""
