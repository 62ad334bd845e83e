"""Options of scoring, which `score` and `compare` share."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["TABLE_FORMATS", "add_scoring_options"]

TABLE_FORMATS = ("text", "csv", "json", "latex", "markdown")
_CONVENTIONS = ("kaldi", "merge-sil", "optional-sil")


def add_scoring_options(parser: argparse.ArgumentParser, *, several: bool) -> None:
    """Add `--convention`, `--no-fold`, `--utt2spk` and `--format`.

    Args:
        parser: to add them to.
        several: whether all conventions may be asked for at once.
    """
    parser.add_argument(
        "--convention",
        choices=[*_CONVENTIONS, *(["all"] if several else [])],
        default="kaldi",
        help="silence: all of it is scored (kaldi), runs of it count as one (merge-sil), or it may be missed "
        "(optional-sil); rates compare only under the same one (default: kaldi)",
    )
    parser.add_argument("--no-fold", action="store_true", help="score symbols as they are, TIMIT's or not")
    parser.add_argument(
        "--utt2spk",
        type=Path,
        metavar="FILE",
        help="lines 'utterance speaker' (default: utt2spk beside the references; where there is none, the speaker is "
        "the part of an utterance's name before its first '-')",
    )
    parser.add_argument("--format", choices=TABLE_FORMATS, default="text", help="of the output (default: text)")
