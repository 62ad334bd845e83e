"""Options of scoring, shared by `score` and `compare`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["TABLE_FORMATS", "add_scoring_options"]

TABLE_FORMATS = ("text", "csv", "json", "latex", "markdown")
_CONVENTIONS = ("kaldi", "merge-sil", "optional-sil")  # as scoring.CONVENTIONS, which importing numpy would delay


def add_scoring_options(parser: CommandParser, *, several: bool) -> None:
    """Add `--convention`, `--no-fold`, `--utt2spk` and `--format`.

    Args:
        parser: parser to add the options to.
        several: allow all conventions together.
    """
    parser.add_argument(
        "--convention",
        choices=[*_CONVENTIONS, *(["all"] if several else [])],
        default="kaldi",
        help="how silence is scored: all of it (kaldi), each run of it as one (merge-sil), or without an error if it "
        "is missed (optional-sil); phone error rates are comparable only under the same convention (default: kaldi)",
    )
    parser.add_argument(
        "--no-fold",
        action="store_true",
        help="score symbols unchanged (default: as prep has recorded beside the references: TIMIT's phones are folded "
        "to 39, other symbols stay; without a record: fold)",
    )
    parser.add_argument(
        "--utt2spk",
        type=Path,
        metavar="FILE",
        help="file with lines 'utterance speaker' (default: utt2spk beside the references; without one, the speaker is "
        "the utterance's name up to its first '-')",
    )
    parser.add_argument(
        "--format", choices=TABLE_FORMATS, default="text", help="format of the printed tables (default: text)"
    )
