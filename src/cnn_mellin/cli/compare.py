"""`cnn-mellin compare`: systems against each other, over seeds and speakers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mellin.scoring.comparison import Comparison

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to those of a parser."""
    parser = subparsers.add_parser(
        "compare",
        help="compare systems over seeds and speakers, with tests of significance",
        description="Each SYSTEM is a folder of transcripts SEED/PART.trn, or SEED/PART.SETTING.trn where several "
        "settings of the decoder were tried; the setting with the lowest mean rate on the development part is the one "
        "reported. Differences come with a bootstrap over speakers and seeds, a paired permutation test over "
        "speakers, and the matched pairs test of NIST's sc_stats (MAPSSWE) between the median seeds; p-values are also "
        "given with Holm's correction for all pairs.",
    )
    parser.add_argument("system", type=Path, nargs="+", metavar="SYSTEM", help="folder of transcripts of one system")
    parser.add_argument(
        "--references", type=Path, required=True, metavar="DIR", help="folder with PART.ref.trn (ext of the data)"
    )
    parser.add_argument("--part", default="test", help="part to report (default: test)")
    parser.add_argument("--choose-on", default="dev", metavar="PART", help="part to choose settings on (default: dev)")
    parser.add_argument(
        "--convention",
        choices=["kaldi", "merge-sil", "optional-sil"],
        default="kaldi",
        help="of scoring silence, as in 'cnn-mellin score' (default: kaldi)",
    )
    parser.add_argument("--no-fold", action="store_true", help="score symbols as they are, TIMIT's or not")
    parser.add_argument(
        "--utt2spk",
        type=Path,
        metavar="FILE",
        help="lines 'utterance speaker' (default: the speaker is what an utterance's name has before the first '-')",
    )
    parser.add_argument(
        "--replications", type=int, default=10000, metavar="N", help="draws of the bootstrap (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    parser.add_argument(
        "--format",
        choices=["text", "csv", "json", "latex", "markdown"],
        default="text",
        help="of the output (default: text)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print the tables."""
    from cnn_mellin.corpora.phone_sets import fold_phones
    from cnn_mellin.errors import DataError, UserError
    from cnn_mellin.scoring.comparison import compare_systems
    from cnn_mellin.scoring.setting_choice import choose_setting
    from cnn_mellin.scoring.speakers import read_speakers, speakers_from_names
    from cnn_mellin.scoring.system_folder import SystemFolder
    from cnn_mellin.scoring.transcripts import read_trn

    if arguments.choose_on.startswith("test"):
        raise UserError(f"--choose-on is {arguments.choose_on}; settings are not chosen on test: choose on dev")
    if arguments.replications < 1:
        raise UserError(f"--replications is {arguments.replications}; it must be at least 1")
    if arguments.seed < 0:
        raise UserError(f"--seed is {arguments.seed}; it must be 0 or more")

    def read(path: Path) -> dict[str, list[str]]:
        transcripts = read_trn(path)
        if arguments.no_fold:
            return transcripts
        return {name: fold_phones(phones, 39, f"{path}: {name}") for name, phones in transcripts.items()}

    names = [path.resolve().name for path in arguments.system]
    if len(set(names)) < len(names):
        names = [str(path) for path in arguments.system]
    if len(set(names)) < len(names):
        raise UserError(f"{', '.join(names)}: a system is named twice; name each once")
    references = read(arguments.references / f"{arguments.part}.ref.trn")
    speaker_of = read_speakers(arguments.utt2spk) if arguments.utt2spk else speakers_from_names(references)
    systems: dict[str, list[dict[str, list[str]]]] = {}
    chosen: dict[str, tuple[str, dict[str, float]]] = {}
    for name, path in zip(names, arguments.system, strict=True):
        folder = SystemFolder.read(path)
        chosen[name] = choose_setting(
            folder,
            arguments.part,
            arguments.choose_on,
            lambda: read(arguments.references / f"{arguments.choose_on}.ref.trn"),
            read,
            arguments.convention,
        )
        systems[name] = []
        for file in folder.settings(arguments.part)[chosen[name][0]].values():
            systems[name].append(read(file))
            _check_utterances(file, systems[name][-1], references)
    try:
        result = compare_systems(
            references,
            systems,
            speaker_of,
            arguments.convention,
            replications=arguments.replications,
            seed=arguments.seed,
        )
    except ValueError as error:
        raise DataError(f"{arguments.references / arguments.part}.ref.trn: {error}") from None
    if arguments.format == "json":
        _print_json(result, arguments, chosen)
    else:
        _print_tables(result, arguments, chosen)
    return 0


def _check_utterances(file: Path, hypotheses: dict[str, list[str]], references: dict[str, list[str]]) -> None:
    from cnn_mellin.errors import DataError
    from cnn_mellin.utterance_names import name_utterances

    for what, names in (
        ("lacks", sorted(set(references) - set(hypotheses))),
        ("has", sorted(set(hypotheses) - set(references))),
    ):
        if names:
            other = "of the references" if what == "lacks" else "that have no reference"
            raise DataError(f"{file}: {what} {len(names)} utterances {other}: {name_utterances(names)}")


def _print_json(result: Comparison, arguments: argparse.Namespace, chosen: dict[str, Any]) -> None:
    import json
    from dataclasses import asdict

    choices = {name: {"setting": setting, "percent": means} for name, (setting, means) in chosen.items()}
    about = {"part": arguments.part, "choose_on": arguments.choose_on, "choices": choices}
    content = about | asdict(result)
    for pair in content["pairs"]:
        if abs(pair["matched_pairs"]["z"]) == float("inf"):  # JSON has no such number
            pair["matched_pairs"]["z"] = None
    print(json.dumps(content, indent=1))


def _print_tables(result: Comparison, arguments: argparse.Namespace, chosen: dict[str, Any]) -> None:
    from cnn_mellin.scoring.text_table import format_table

    about = f"{arguments.part}: {result.num_utterances} utterances of {result.num_speakers} speakers, "
    about += f"{result.num_phones} phones; {result.convention} convention"
    rows = []
    for name, summary in result.systems.items():
        setting, means = chosen[name]
        tried = f"{setting} ({arguments.choose_on} {means[setting]:.2f}, best of {len(means)})" if means else setting
        spread = ["-" if summary.sd is None else f"{summary.sd:.2f}"]
        numbers = [summary.median, summary.minimum, summary.maximum]
        values = " ".join(f"{value:.2f}" for value in summary.values)
        row = [name, f"{summary.mean:.2f}", *spread, *(f"{number:.2f}" for number in numbers)]
        rows.append([*row, str(len(summary.values)), values, tried or "-"])
    header = ["system", "mean PER %", "sd", "median", "min", "max", "seeds", "all", "setting"]
    tables = [format_table(header, rows, arguments.format)]
    rows = []
    for pair in result.pairs:
        bootstrap = pair.bootstrap
        tests = (pair.permutation_p, pair.permutation_p_holm, pair.matched_pairs.p_value, pair.matched_pairs_p_holm)
        row = [f"{pair.second} - {pair.first}", f"{bootstrap.difference:+.2f}"]
        row += [f"{bootstrap.low:+.2f}..{bootstrap.high:+.2f}", f"{bootstrap.probability_of_improvement:.3f}"]
        rows.append([*row, *(f"{p:.4f}" for p in tests)])
    header = ["difference", "points", "95 % interval", "P(improved)", "permutation p", "Holm", "MAPSSWE p", "Holm"]
    if rows:
        tables.append(format_table(header, rows, arguments.format))
    if arguments.format in ("text", "markdown"):
        tables.insert(0, about)
    elif arguments.format == "latex":
        tables.insert(0, f"% {about}")
    print("\n\n".join(tables))
