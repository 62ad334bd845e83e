"""`cnn-mellin speed`: the test part of a corpus, slowed and sped up."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser"]

_DESCRIPTION = """\
Write the features of a corpus's test part at other speaking rates: OUT/test holds every utterance at every rate, named
UTTERANCE_rate0.8 and so on, and OUT/ext the references. The pitch stays (WSOLA: overlapping pieces of the waveform are
laid closer or further apart); resampling would change it too. A model is then tried at all rates by

  cnn-mellin decode MODEL OUT/test hyp.trn
  cnn-mellin score OUT/ext/test.ref.trn hyp.trn --per-speaker --utt2spk OUT/ext/utt2rate

which lists each rate as if it were a speaker. Options are those of prep.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "speed",
        help="a corpus's test part at other speaking rates",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus_kind", choices=["timit", "kaldi", "table"], metavar="KIND", help="timit, kaldi, table")
    parser.add_argument("corpus", metavar="CORPUS", help="as in prep")
    parser.add_argument("out", metavar="OUT", help="folder to write")
    parser.add_argument("--features", default="fbank-81-10ms", metavar="TYPE", help="(default: fbank-81-10ms)")
    parser.add_argument(
        "--rates",
        type=float,
        nargs="+",
        default=[0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4],
        metavar="R",
        help="2 is twice as fast (default: 0.7 0.8 ... 1.4)",
    )
    parser.add_argument("--part", default="test", help="of the corpus (default: test)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="utterances computed at once (default: 1)")
    parser.add_argument("--phones", type=int, default=48, choices=(61, 60, 48, 39), help="timit: phone set")
    parser.add_argument("--partial", action="store_true", help="timit: a corpus that is not whole")
    parser.add_argument("--complete-test", action="store_true", help="timit: test on all speakers of TEST")
    parser.add_argument("--large-dev", action="store_true", help="timit: changes nothing of the test part")
    parser.add_argument("--include-sa", action="store_true", help="timit: changes nothing of the test part")
    parser.add_argument("--parts", nargs="+", default=[], metavar="PART=FOLDER", help="kaldi: folders below CORPUS")
    parser.add_argument("--audio-root", default=".", metavar="FOLDER", help="kaldi: where relative paths start")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the partition."""
    from cnn_mellin.data.labelling import corpus_labelling, timit_labelling
    from cnn_mellin.data.speaking_rates import prepare_speaking_rates
    from cnn_mellin.errors import SettingsError

    if arguments.jobs < 1:
        raise SettingsError(f"--jobs {arguments.jobs}: must be at least 1")
    parts = _parts(arguments)
    timit = arguments.corpus_kind == "timit"
    labelling = timit_labelling(arguments.phones) if timit else corpus_labelling(parts)[0]
    count = prepare_speaking_rates(
        parts,
        arguments.out,
        arguments.features,
        labelling,
        arguments.rates,
        part=arguments.part,
        jobs=arguments.jobs,
        quiet=arguments.quiet,
    )
    print(f"{arguments.out}/{arguments.part}: {count} utterances at {len(arguments.rates)} rates")
    return 0


def _parts(arguments: argparse.Namespace) -> Any:
    if arguments.corpus_kind == "timit":
        from cnn_mellin.corpora.timit import read_timit
        from cnn_mellin.corpora.timit_partitions import timit_partitions

        return timit_partitions(
            read_timit(arguments.corpus), partial=arguments.partial, complete_test=arguments.complete_test
        )
    if arguments.corpus_kind == "kaldi":
        from cnn_mellin.cli.prep import _parts as part_folders
        from cnn_mellin.corpora.kaldi import read_kaldi_parts

        return read_kaldi_parts(arguments.corpus, part_folders(arguments.parts), audio_root=arguments.audio_root)
    from cnn_mellin.corpora.table import read_table

    return read_table(arguments.corpus)
