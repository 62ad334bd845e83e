"""`cnn-mellin demo`: from nothing to a table of phone error rates."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

__all__ = ["add_parser"]

_CORPUS_SEED = 1


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="from nothing to a table of phone error rates",
        description="Synthesise a corpus, and run the recipe on it (cnn-mellin recipe DIR/corpus DIR --tiny): train "
        "linear (lcorr) and Mellin (mcorr) models, recognise voices they have never heard, print the phone error "
        "rates, and write a page of tables and pictures. Takes some minutes; a run that was interrupted goes on where "
        "it was, and a second one does only what is missing or has changed.",
    )
    parser.add_argument("directory", metavar="DIR", nargs="?", default="demo", help="where to (default: demo)")
    parser.add_argument("--utterances", type=int, metavar="N", default=1500, help="of the corpus (default: 1500)")
    parser.add_argument("--seeds", type=int, metavar="N", default=2, help="trainings of each model (default: 2)")
    parser.add_argument("--epochs", type=int, metavar="E", help="of each training (default: what its settings say)")
    parser.add_argument("--jobs", type=int, metavar="J", help="processes at once (default: one a core)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the corpus, run the recipe, and say where all lies."""
    from cnn_mellin.cli.main import main
    from cnn_mellin.cli.recipe import check_installed
    from cnn_mellin.corpora.demo import make_demo_corpus
    from cnn_mellin.errors import SettingsError

    for option, value in {"--seeds": arguments.seeds, "--epochs": arguments.epochs, "--jobs": arguments.jobs}.items():
        if value is not None and value < 1:  # said now, not after minutes of synthesis
            raise SettingsError(f"{option} {value}: must be at least 1")
    folder = Path(arguments.directory)
    corpus = folder / "corpus"
    check_installed("demo", synthesis=not corpus.exists())
    make_demo_corpus(corpus, arguments.utterances, _CORPUS_SEED, jobs=arguments.jobs, quiet=arguments.quiet)
    command = ["recipe", str(corpus), str(folder), "--tiny", "--seeds", str(arguments.seeds)]
    if arguments.epochs is not None:
        command += ["--set", f"num_epochs={arguments.epochs}"]
    if arguments.jobs is not None:
        command += ["--cores", str(arguments.jobs)]
    if not arguments.quiet:
        print(f"$ cnn-mellin {shlex.join(command)}", flush=True)
    status = main(["--quiet", *command] if arguments.quiet else command)
    if status == 0:
        places = {"corpus": corpus, "features and references": folder / "data", "models": folder / "models"}
        for what, path in (places | {"transcripts": folder / "systems", "logs": folder / "logs"}).items():
            print(f"{what}: {path}")
    return status
