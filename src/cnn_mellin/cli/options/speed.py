"""Options of `cnn-mellin speed`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.corpus_audio import add_conversion_options, add_damage_options

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Write the features of a corpus's test partition at other speaking rates, to see how a model copes with speeds that it
was not trained on: OUT/test holds every utterance at every speaking rate, named UTTERANCE_rate0.8 and so on, and
OUT/ext the references. The pitch stays (WSOLA: overlapping pieces of the waveform are moved closer together or further
apart); resampling would change it, too.

Decode OUT/test with a model, then list the phone error rate per speaking rate, as if each were a speaker:

  cnn-mellin decode MODEL OUT/test hyp.trn
  cnn-mellin score OUT/ext/test.ref.trn hyp.trn --per-speaker --utt2spk OUT/ext/utt2rate

The options have the same meaning as those of prep.
"""
EXAMPLES = [
    "cnn-mellin speed timit corpus speeds --partial --rates 0.8 1 1.25",
    "cnn-mellin speed table recordings/list.tsv speeds --features raw --jobs 4",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument(
        "corpus_kind", choices=["timit", "kaldi", "table"], metavar="KIND", help="timit, kaldi or table"
    )
    parser.add_argument("corpus", metavar="CORPUS", help="corpus, as for prep")
    parser.add_argument("out", metavar="OUT", help="folder to write")
    parser.add_argument(
        "--features",
        default="fbank-81-10ms",
        metavar="TYPE",
        help="feature type, that of the model to test (default: fbank-81-10ms)",
    )
    parser.add_argument(
        "--rates",
        type=float,
        nargs="+",
        default=[0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4],
        metavar="R",
        help="speaking rates; 2 is twice as fast (default: 0.7 0.8 ... 1.4)",
    )
    parser.add_argument(
        "--part", default="test", metavar="PARTITION", help="partition of the corpus to use (default: test)"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="number of utterances to compute in parallel (default: 1)"
    )
    parser.add_argument(
        "--phones", type=int, default=48, choices=(61, 60, 48, 39), help="timit: size of the phone set (default: 48)"
    )
    parser.add_argument("--partial", action="store_true", help="timit: accept a corpus that is not a full TIMIT")
    parser.add_argument("--complete-test", action="store_true", help="timit: use all speakers of TEST")
    parser.add_argument(
        "--large-dev", action="store_true", help="timit: as for prep; does not change the test partition"
    )
    parser.add_argument(
        "--include-sa", action="store_true", help="timit: as for prep; does not change the test partition"
    )
    parser.add_argument(
        "--parts", nargs="+", default=[], metavar="PARTITION=FOLDER", help="kaldi: partitions and folders below CORPUS"
    )
    parser.add_argument(
        "--audio-root", default=".", metavar="FOLDER", help="kaldi: folder that relative paths in wav.scp start from"
    )
    add_conversion_options(parser)
    add_damage_options(parser)
