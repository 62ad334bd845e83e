"""Options of `cnn-mellin prep`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.corpus_audio import add_conversion_options, add_damage_options
from cnn_mellin.cli.options.corpus_formats import add_huggingface, add_lhotse, add_text_grid
from cnn_mellin.cli.options.known_corpora import KNOWN_CORPORA

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = "Compute features and references of a corpus, and write them as data directories."
EXAMPLES = ["cnn-mellin prep timit corpus data --partial", "cnn-mellin prep table recordings/list.tsv own-data"]

_WRITES = "Writes DATA/FEATURES/{train,dev,test,ext}; what exists and is up to date is not computed again."
_SYMBOLS = "Symbols are trained on and scored unchanged, without folding."


def add_options(parser: CommandParser) -> None:
    """Add the kinds of corpus and their options."""
    kinds = parser.add_subparsers(dest="corpus_kind", metavar="KIND", required=True)
    timit = kinds.add_parser(
        "timit",
        help="TIMIT, or a corpus in its layout",
        description="Prepare TIMIT (file names in upper or lower case, SPHERE or RIFF audio). All counts of a full "
        f"TIMIT are checked. {_WRITES}",
        examples=[
            "cnn-mellin prep timit corpus data --partial",
            "cnn-mellin prep timit ~/TIMIT data --features fbank-81-10ms raw",
        ],
    )
    timit.add_argument("corpus", metavar="CORPUS", help="folder that holds TRAIN and TEST, or a folder above it")
    _add_data_options(timit)
    timit.add_argument(
        "--phones",
        type=int,
        default=48,
        choices=(61, 60, 48, 39),
        help="size of the phone set to train on; scoring always folds to 39 (default: 48)",
    )
    timit.add_argument(
        "--partial",
        action="store_true",
        help="accept a corpus that is not a full TIMIT, such as the demo corpus or a subset",
    )
    timit.add_argument(
        "--complete-test", action="store_true", help="test on all speakers of TEST instead of the core test's 24"
    )
    timit.add_argument(
        "--large-dev", action="store_true", help="use all speakers of TEST outside the core test as dev, instead of 50"
    )
    timit.add_argument(
        "--include-sa",
        action="store_true",
        help="train also on the SA sentences, which all speakers read and which are usually left out",
    )

    kaldi = kinds.add_parser(
        "kaldi",
        help="Kaldi data folders",
        description="Prepare Kaldi data folders: those of DIR/train, DIR/dev and DIR/test that exist (other names: "
        "--parts), or DIR itself as the partition train if it has a wav.scp. Each holds wav.scp (plain files; commands "
        "are refused), text (symbols separated by spaces: phones, characters, ...), utt2spk, and segments if "
        f"recordings hold several utterances. {_SYMBOLS} {_WRITES}",
        examples=[
            "cnn-mellin prep kaldi egs/mini/data own-data",
            "cnn-mellin prep kaldi data own-data --parts train=train_960 dev=dev_clean --audio-root ..",
        ],
    )
    kaldi.add_argument("corpus", metavar="DIR", help="folder of the Kaldi data folders, or one that has a wav.scp")
    _add_data_options(kaldi)
    kaldi.add_argument(
        "--parts",
        dest="folders",
        nargs="+",
        default=[],
        metavar="PARTITION=FOLDER",
        help="partitions and their folders below DIR, such as train=train_960 dev=dev_clean (default: train, dev, "
        "test)",
    )
    kaldi.add_argument(
        "--audio-root",
        default=".",
        metavar="FOLDER",
        help="folder that relative paths in wav.scp start from (default: the current folder)",
    )

    table = kinds.add_parser(
        "table",
        help="a table with one line per utterance, its fields separated by tabs",
        description="Prepare the utterances of a table. Its first line names the columns, separated by tabs: audio (a "
        "file, relative to the table's folder) and transcript (symbols separated by spaces: phones, characters, ...); "
        "optional are partition (default: train), utterance (an id; default: the audio file's name) and speaker "
        f"(default: the utterance's id). {_SYMBOLS} {_WRITES}",
        examples=[
            "cnn-mellin prep table recordings/list.tsv own-data",
            "cnn-mellin prep table recordings/list.tsv own-data --features sigbank-41-2ms",
        ],
    )
    table.add_argument("corpus", metavar="FILE.tsv", help="the table")
    _add_data_options(table)

    for add in (add_text_grid, add_lhotse, add_huggingface, *KNOWN_CORPORA):
        _add_data_options(add(kinds, f"{_SYMBOLS} {_WRITES}"))


def _add_data_options(parser: CommandParser) -> None:
    parser.add_argument("data", metavar="DATA", help="folder to write the data directories to")
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="TYPE",
        help="feature types to compute, one data directory per type: fbank-81-10ms (default), sigbank-41-2ms, raw, or "
        "NAME.json with a configuration of your own",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="number of utterances to compute in parallel (default: one per core)"
    )
    parser.add_argument(
        "--lm-order",
        type=int,
        default=3,
        metavar="N",
        help="number of phones in the longest n-gram of ext/lm.arpa.gz, the language model of the training phones; "
        "longer ones need more transcripts, and often recognise better: try 5 (default: 3, a trigram)",
    )
    parser.add_argument(
        "--speeds",
        type=float,
        nargs="+",
        default=[],
        metavar="S",
        help="add copies of the training utterances, played at these speeds, 0.5 to 2, with their pitch (speed "
        "perturbation); 0.9 1.1 makes three utterances of one, so train a third of the epochs (default: none)",
    )
    parser.add_argument(
        "--audio",
        action="store_true",
        help="write the audio as 16-bit samples to DATA/audio instead of features, which trainings then compute "
        "([data] audio_features): a fifth of the room of features of three types; an interrupted run is resumed",
    )
    parser.add_argument(
        "--sample-rate",
        type=int,
        default=16000,
        metavar="HZ",
        help="with --audio, the sample rate of the samples (default: 16000)",
    )
    parser.add_argument(
        "--shards",
        type=int,
        metavar="N",
        help="with --audio, the number of shards per partition, each of which is written as a whole (default: one per "
        "5,000 utterances)",
    )
    parser.add_argument(
        "--shard",
        type=int,
        metavar="K",
        help="with --audio and --shards N, write only shard K of each partition, 0 to N - 1, so that processes or "
        "tasks of a Slurm array (--shard $SLURM_ARRAY_TASK_ID) share the work; the last to finish completes the "
        "partitions",
    )
    add_conversion_options(parser)
    add_damage_options(parser)
