"""Options of `cnn-mellin recipe`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Run all steps from a corpus to a report that compares linear (lcorr) and Mellin (mcorr) models: prepare the corpus,
optionally search for settings, train every model with every seed, decode, score, compare, and plot. All results go into
the folder EXP.

Each step is one cnn-mellin command, run in EXP; --dry-run lists them. Snakemake runs them by EXP/Snakefile, which the
command snakemake runs, too: snakemake -d EXP -s EXP/Snakefile -j 4. The same command resumes after any interruption
or failure, and does only what is missing or whose settings, program version or inputs have changed. `cnn-mellin recipe
status EXP` lists what is done, running, failed and left.
"""
EXAMPLES = [
    "cnn-mellin recipe corpus exp --tiny  # small models, in minutes; cnn-mellin demo does this",
    "cnn-mellin recipe TIMIT exp/timit --cores 4  # the published settings, 20 seeds",
    "cnn-mellin recipe TIMIT exp/timit --profile slurm --device cuda",
    "cnn-mellin recipe status exp",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument(
        "corpus", metavar="CORPUS", help="folder of TIMIT or of Kaldi data folders, or a table; or the word status"
    )
    parser.add_argument("exp", metavar="EXP", help="folder for all results")
    what = parser.add_argument_group("what to do")
    what.add_argument(
        "--features",
        nargs="+",
        default=["fbank-81-10ms"],
        metavar="TYPE",
        help="feature types to compare, as for prep (default: fbank-81-10ms)",
    )
    what.add_argument(
        "--models",
        nargs="+",
        default=["lcorr", "mcorr"],
        choices=["lcorr", "mcorr"],
        help="models to compare (default: lcorr mcorr)",
    )
    what.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="number of final trainings per model; more make the comparison surer (default: 20; with --tiny: 2)",
    )
    what.add_argument(
        "--settings",
        dest="start",
        nargs="+",
        default=[],
        metavar="[MODEL[-TYPE]=]FILE",
        help="ini files to start from, for all models or for one (default: the settings published for lcorr, for both "
        "models)",
    )
    what.add_argument("--search", action="store_true", help="search for the best settings before the final trainings")
    what.add_argument(
        "--db-url",
        default="",
        metavar="URL",
        help="database of the searches, if they run on several machines (default: EXP/search.db, for one machine)",
    )
    what.add_argument(
        "--partial", action="store_true", help="accept a corpus in TIMIT's layout that is not a full TIMIT"
    )
    what.add_argument(
        "--prep-options", default="", metavar="TEXT", help="further options of prep, as in --prep-options='--phones 61'"
    )
    what.add_argument(
        "--tiny", action="store_true", help="small sizes and models, to try the recipe; implies --partial for TIMIT"
    )
    what.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="SIZE=VALUE",
        help="change sizes such as num_trials_sm=64; docs/recipe.md lists them",
    )
    how = parser.add_argument_group("how to do it")
    how.add_argument(
        "--profile",
        default="local",
        metavar="P",
        help="where steps run: local (default), slurm, or the folder of a Snakemake profile, such as a changed copy of "
        "one of these",
    )
    how.add_argument(
        "--cores",
        type=int,
        metavar="N",
        help="number of steps to run in parallel (default: one per core; with slurm: 100)",
    )
    how.add_argument(
        "--gpus-per-training",
        type=int,
        default=1,
        metavar="N",
        help="number of processes per final training, each with a GPU of its own (default: 1)",
    )
    how.add_argument(
        "--until", metavar="STAGE", help="stop after a stage, such as prep, train or decode (status lists them)"
    )
    how.add_argument("--dry-run", action="store_true", help="list the commands that would run, and run none")
