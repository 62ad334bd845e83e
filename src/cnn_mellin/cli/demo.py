"""`cnn-mellin demo`: go from nothing to a table of phone error rates."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from cnn_mellin.cli.main import main
from cnn_mellin.corpora.demo import make_demo_corpus
from cnn_mellin.errors import SettingsError
from cnn_mellin.recipe.corpus_recipe import require_recipe_packages

__all__ = ["run"]

_CORPUS_SEED = 1


def run(arguments: argparse.Namespace) -> int:
    """Make the corpus and run the recipe, which prints where all results are."""
    for option, value in {"--seeds": arguments.seeds, "--epochs": arguments.epochs, "--jobs": arguments.jobs}.items():
        if value is not None and value < 1:  # checked here, not after minutes of synthesis
            raise SettingsError(f"{option} {value}: must be at least 1")
    folder = Path(arguments.directory)
    corpus = folder / "corpus"
    require_recipe_packages("demo", synthesis=not corpus.exists())
    make_demo_corpus(corpus, arguments.num_utterances, _CORPUS_SEED, jobs=arguments.jobs, quiet=arguments.quiet)
    command = ["recipe", str(corpus), str(folder), "--tiny", "--seeds", str(arguments.seeds)]
    if arguments.epochs is not None:
        command += ["--set", f"num_epochs={arguments.epochs}"]
    if arguments.jobs is not None:
        command += ["--cores", str(arguments.jobs)]
    if not arguments.quiet:
        print(f"$ cnn-mellin {shlex.join(command)}", flush=True)
    return main(["--quiet", *command] if arguments.quiet else command)
