"""`cnn-mellin prep`: from a corpus to data directories."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.identifier import require_identifier

if TYPE_CHECKING:
    from cnn_mellin.corpora.utterance import Utterance
    from cnn_mellin.data.labelling import Labelling

__all__ = ["add_parser"]

_WRITES = "Writes DATA/FEATURES/{train,dev,test,ext}. What is there already, unchanged, is not computed again."


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("prep", help="corpus -> features and references", description=__doc__)
    kinds = parser.add_subparsers(dest="corpus_kind", metavar="KIND", required=True)
    timit = kinds.add_parser(
        "timit",
        help="TIMIT, or a corpus of its layout",
        description=f"Prepare TIMIT (in either case, SPHERE or RIFF audio). {_WRITES} "
        "All counts of a full TIMIT are checked.",
    )
    timit.add_argument("corpus", metavar="CORPUS", help="the folder that holds TRAIN and TEST, or one above it")
    _add_data(timit)
    timit.add_argument(
        "--phones", type=int, default=48, choices=(61, 60, 48, 39), help="phone set to train on (default: 48)"
    )
    timit.add_argument("--partial", action="store_true", help="prepare a corpus that is not a full TIMIT")
    timit.add_argument("--complete-test", action="store_true", help="test on all speakers of TEST, not the core 24")
    timit.add_argument("--large-dev", action="store_true", help="develop on all of TEST but the core test")
    timit.add_argument("--include-sa", action="store_true", help="train on the SA sentences too")
    timit.set_defaults(run=_run_timit)

    kaldi = kinds.add_parser(
        "kaldi",
        help="Kaldi's data folders",
        description="Prepare Kaldi's data folders: DIR/train, DIR/dev and DIR/test as far as they are there (other "
        "names: --parts), or DIR itself as the part train where it has a wav.scp. Each holds wav.scp (plain files; "
        "commands are refused), text (symbols divided by spaces: phones, characters, ...), utt2spk, and segments "
        f"where recordings hold several utterances. Symbols are trained on and scored as they are. {_WRITES}",
    )
    kaldi.add_argument("corpus", metavar="DIR", help="folder of the parts, or one with wav.scp")
    _add_data(kaldi)
    kaldi.add_argument(
        "--parts",
        nargs="+",
        default=[],
        metavar="PART=FOLDER",
        help="folders below DIR, such as train=train_960 dev=dev_clean (default: train, dev and test)",
    )
    kaldi.add_argument(
        "--audio-root", default=".", metavar="FOLDER", help="where relative paths of wav.scp start (default: here)"
    )
    kaldi.set_defaults(run=_run_kaldi)

    table = kinds.add_parser(
        "table",
        help="a table: a line an utterance, tabs between fields",
        description="Prepare the utterances of a table. Its first line names the columns, divided by tabs: audio (a "
        "file, relative to the table's folder) and transcript (symbols divided by spaces: phones, characters, ...); "
        "and, if need be, partition (default: train), utterance (an id; default: the audio file's name), and speaker "
        f"(default: the utterance's id). Symbols are trained on and scored as they are. {_WRITES}",
    )
    table.add_argument("corpus", metavar="FILE.tsv", help="the table")
    _add_data(table)
    table.set_defaults(run=_run_table)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="folder for the data directories")
    parser.add_argument(
        "--features",
        nargs="+",
        default=["fbank-81-10ms"],
        metavar="TYPE",
        help="fbank-81-10ms (default), sigbank-41-2ms, raw, or NAME.json with a configuration; several at once",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="utterances computed at once (default: one a core)")


def _run_timit(arguments: argparse.Namespace) -> int:
    from cnn_mellin.corpora.timit import read_timit
    from cnn_mellin.corpora.timit_partitions import timit_partitions
    from cnn_mellin.data.labelling import timit_labelling

    parts = timit_partitions(
        read_timit(arguments.corpus),
        partial=arguments.partial,
        complete_test=arguments.complete_test,
        large_dev=arguments.large_dev,
        include_sa=arguments.include_sa,
    )
    return _prepare(arguments, parts, timit_labelling(arguments.phones))


def _run_kaldi(arguments: argparse.Namespace) -> int:
    from cnn_mellin.corpora.kaldi import read_kaldi_parts

    folders = _parts(arguments.parts)
    return _prepare_own(arguments, read_kaldi_parts(arguments.corpus, folders, audio_root=arguments.audio_root))


def _run_table(arguments: argparse.Namespace) -> int:
    from cnn_mellin.corpora.table import read_table

    return _prepare_own(arguments, read_table(arguments.corpus))


def _parts(pairs: Sequence[str]) -> dict[str, str]:
    """Part -> folder; a part without a folder has its own name."""
    parts: dict[str, str] = {}
    for pair in pairs:
        part, _, folder = pair.partition("=")
        if part in parts or not part or part == "ext":
            raise SettingsError(f"--parts {pair}: must be PART=FOLDER, each part once, such as dev=dev_clean")
        require_identifier(part, "partition", "--parts", SettingsError)
        parts[part] = folder or part
    return parts


def _prepare_own(arguments: argparse.Namespace, parts: Mapping[str, Sequence[Utterance]]) -> int:
    from cnn_mellin.data.labelling import corpus_labelling

    labelling, warning = corpus_labelling(parts)
    if warning:
        print(f"cnn-mellin: {arguments.corpus}: {warning}", file=sys.stderr)
    return _prepare(arguments, parts, labelling)


def _prepare(arguments: argparse.Namespace, parts: Mapping[str, Sequence[Utterance]], labelling: Labelling) -> int:
    from cnn_mellin.data.preparation import prepare

    if arguments.jobs is not None and arguments.jobs < 1:
        raise SettingsError(f"--jobs {arguments.jobs}: must be at least 1")
    prepared = prepare(parts, arguments.data, arguments.features, labelling, jobs=arguments.jobs, quiet=arguments.quiet)
    for partition in prepared:
        state = "prepared" if partition.computed else "unchanged"
        print(f"{partition.path}: {partition.num_utterances} utterances, {partition.num_frames} frames, {state}")
    ext = Path(prepared[0].path).parent / "ext"
    perplexities = {p.path.name: f"{p.perplexity:.2f} ({p.path.name})" for p in prepared if p.perplexity is not None}
    known = ", ".join(perplexities.values()) or f"not computed for {len(labelling.symbols)} symbols"
    print(f"{ext / 'lm.arpa.gz'}: perplexity {known}")
    return 0
