"""`cnn-mellin score`: phone error rates of transcripts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mellin.scoring import ErrorCounts, PhoneErrorRate

__all__ = ["add_parser", "run"]

_CONVENTIONS = ("kaldi", "merge-sil", "optional-sil")
_COLUMNS = (
    "hypothesis",
    "convention",
    "group",
    "name",
    "percent",
    "phones",
    "substitutions",
    "deletions",
    "insertions",
)


def add_parser(subparsers: Any) -> None:
    """Add the command to those of a parser."""
    parser = subparsers.add_parser(
        "score",
        help="score transcripts: phone error rate",
        description="Phone error rate of each HYPOTHESIS against REFERENCE. All are trn files: lines 'phones "
        "(utterance)'. Phones of TIMIT's 61, 60, 48 or 39 set are folded to 39 first. Errors are aligned and split "
        "as NIST's sclite does.",
    )
    parser.add_argument("reference", type=Path, help="trn file of what was said")
    parser.add_argument("hypothesis", type=Path, nargs="+", help="trn files of what was recognised")
    parser.add_argument(
        "--convention",
        choices=[*_CONVENTIONS, "all"],
        default="kaldi",
        help="silence: all of it is scored (kaldi), runs of it count as one (merge-sil), or it may be missed "
        "(optional-sil); rates compare only under the same one (default: kaldi)",
    )
    parser.add_argument("--no-fold", action="store_true", help="score symbols as they are, TIMIT's or not")
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="confusions to show (default: 10)")
    parser.add_argument("--per-speaker", action="store_true", help="also the rate of each speaker")
    parser.add_argument("--per-phone", action="store_true", help="also the rate of each phone")
    parser.add_argument("--per-utterance", action="store_true", help="also the rate of each utterance")
    parser.add_argument(
        "--utt2spk",
        type=Path,
        metavar="FILE",
        help="lines 'utterance speaker' (default: the speaker is what an utterance's name has before the first '-')",
    )
    parser.add_argument(
        "--format", choices=["text", "csv", "json"], default="text", help="of the output (default: text)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score, and print the result."""
    from cnn_mellin.corpora.phone_sets import fold_phones
    from cnn_mellin.errors import DataError, UserError
    from cnn_mellin.scoring import CONVENTIONS, phone_error_rate, read_trn
    from cnn_mellin.scoring.speakers import read_speakers, speakers_from_names

    if arguments.worst < 0:
        raise UserError(f"--worst is {arguments.worst}; it must be 0 or more")

    def read(path: Path) -> dict[str, list[str]]:
        transcripts = read_trn(path)
        if arguments.no_fold:
            return transcripts
        return {name: fold_phones(phones, 39, f"{path}: {name}") for name, phones in transcripts.items()}

    references = read(arguments.reference)
    speaker_of: dict[str, str] = {}
    if arguments.per_speaker:
        speaker_of = read_speakers(arguments.utt2spk) if arguments.utt2spk else speakers_from_names(references)
    conventions = CONVENTIONS if arguments.convention == "all" else (arguments.convention,)
    scored: list[tuple[Path, PhoneErrorRate, list[tuple[str, str, ErrorCounts]]]] = []
    for path in arguments.hypothesis:
        hypotheses = read(path)
        for convention in conventions:
            try:
                result = phone_error_rate(references, hypotheses, convention)
                rows = [("total", "", result.total)]
                if arguments.per_speaker:
                    rows += [("speaker", *item) for item in result.by_speaker(speaker_of).items()]
            except DataError as error:
                raise DataError(f"{path} against {arguments.reference}: {error}") from None
            if arguments.per_phone:
                rows += [("phone", *item) for item in result.by_phone().items()]
            if arguments.per_utterance:
                rows += [("utterance", *item) for item in result.utterances.items()]
            scored.append((path, result, rows))
    {"text": _print_text, "csv": _print_csv, "json": _print_json}[arguments.format](scored, arguments.worst)
    return 0


def _fields(path: Path, result: PhoneErrorRate, group: str, name: str, counts: ErrorCounts) -> tuple[Any, ...]:
    errors = (counts.num_phones, counts.substitutions, counts.deletions, counts.insertions)
    return str(path), result.convention, group, name, counts.percent, *errors


def _print_text(scored: list[Any], worst: int) -> None:
    from cnn_mellin.utterance_names import name_utterances

    for path, result, rows in scored:
        print(f"{path} ({result.convention}, {len(result.utterances)} utterances)")
        width = max(9, *(len(name) for _, name, _ in rows))
        print(f"  {'':{width}} {'PER %':>7} {'phones':>7} {'sub':>6} {'del':>6} {'ins':>6}")
        for group, name, counts in rows:
            numbers = (counts.substitutions, counts.deletions, counts.insertions)
            print(
                f"  {name or group:{width}} {counts.percent:7.2f} {counts.num_phones:7}", *(f"{n:6}" for n in numbers)
            )
        for what, names in (("nothing recognised", result.empty_hypotheses), ("no reference", result.empty_references)):
            if names:
                print(f"  {what} in {len(names)} utterances: {name_utterances(names)}")
        if result.unseen_symbols:
            unseen = ", ".join(f"{symbol} {count} times" for symbol, count in result.unseen_symbols.items())
            print(f"  recognised, but in no reference: {unseen}")
        confusions = result.worst_confusions(worst)
        if confusions:
            print("  worst:", ", ".join(f"{r or '(ins)'} > {h or '(del)'} {n}" for r, h, n in confusions))


def _print_csv(scored: list[Any], worst: int) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for path, result, rows in scored:
        writer.writerows(_fields(path, result, *row) for row in rows)


def _print_json(scored: list[Any], worst: int) -> None:
    import json

    print(
        json.dumps(
            [
                {
                    "hypothesis": str(path),
                    "convention": result.convention,
                    "num_utterances": len(result.utterances),
                    "rates": [
                        {
                            key: (None if value == float("inf") else value)
                            for key, value in zip(_COLUMNS[2:], _fields(path, result, *row)[2:], strict=True)
                        }
                        for row in rows
                    ],
                    "worst_confusions": [list(confusion) for confusion in result.worst_confusions(worst)],
                    "empty_hypotheses": result.empty_hypotheses,
                    "empty_references": result.empty_references,
                    "unseen_symbols": result.unseen_symbols,
                }
                for path, result, rows in scored
            ],
            indent=1,
        )
    )
