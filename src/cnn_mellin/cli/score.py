"""`cnn-mellin score`: phone error rates of transcripts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cnn_mellin.cli.scoring_options import add_scoring_options
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.output_place import require_output_file

__all__ = ["add_parser", "run"]


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
    add_scoring_options(parser, several=True)
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="confusions to show (default: 10)")
    parser.add_argument("--per-speaker", action="store_true", help="also the rate of each speaker")
    parser.add_argument("--per-phone", action="store_true", help="also the rate of each phone")
    parser.add_argument("--per-utterance", action="store_true", help="also the rate of each utterance")
    parser.add_argument("--confusions", action="store_true", help="also how often each phone was taken for each")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="draw the confusions (of one HYPOTHESIS under one convention)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score, and print the result."""
    from cnn_mellin.formats.speakers import speakers_of
    from cnn_mellin.formats.transcripts import read_phones
    from cnn_mellin.report.score_table import ScoredFile, score_text
    from cnn_mellin.scoring import CONVENTIONS, phone_error_rate

    _check(arguments)
    fold = not arguments.no_fold
    references = read_phones(arguments.reference, fold=fold)
    speaker_of: dict[str, str] = {}
    if arguments.per_speaker:
        speaker_of = speakers_of(references, arguments.reference.parent, arguments.utt2spk)
    conventions = CONVENTIONS if arguments.convention == "all" else (arguments.convention,)
    scored: list[ScoredFile] = []
    for path in arguments.hypothesis:
        hypotheses = read_phones(path, fold=fold)
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
            scored.append(ScoredFile(str(path), result, rows))
    if arguments.plot is not None:
        _plot(scored[0], arguments.plot)
    print(score_text(scored, arguments.format, worst=arguments.worst, with_matrix=arguments.confusions))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    for path in (arguments.reference, *arguments.hypothesis):
        if not path.exists():
            raise DataError(f"{path}: does not exist; name a trn file")
    if arguments.worst < 0:
        raise SettingsError(f"--worst is {arguments.worst}; it must be 0 or more")
    if arguments.plot is None:
        return
    if len(arguments.hypothesis) > 1 or arguments.convention == "all":
        raise SettingsError(f"--plot {arguments.plot}: draws one HYPOTHESIS under one convention; call it for each")
    if arguments.plot.suffix != ".png":
        raise SettingsError(f"--plot {arguments.plot}: must end in .png")
    if not arguments.plot.parent.is_dir():
        raise SettingsError(f"--plot {arguments.plot}: its folder does not exist; make it first")
    require_output_file(arguments.plot, "png", arguments.reference, *arguments.hypothesis, arguments.utt2spk)
    from cnn_mellin.extras import require_packages

    require_packages("--plot", ["report"])


def _plot(scored: Any, out: Path) -> None:
    from cnn_mellin.report.figures.confusions import plot_confusions

    title = f"{scored.path}: {scored.result.percent:.2f} % ({scored.result.convention})"
    plot_confusions(scored.result, out, title=title)
