"""`cnn-mellin prep`: compute features and references of a corpus."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from cnn_mellin.cli.corpus_audio import audio_arguments, faults_listed, report_left_out
from cnn_mellin.cli.corpus_reading import read_corpus
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.data.labelling import corpus_labelling, timit_labelling
from cnn_mellin.data.preparation import prepare
from cnn_mellin.errors import SettingsError

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the corpus, and print what each partition holds."""
    if arguments.jobs is not None and arguments.jobs < 1:
        raise SettingsError(f"--jobs {arguments.jobs}: must be at least 1")
    options = audio_arguments(arguments)
    faults: list[Fault] = []
    partitions = read_corpus(arguments, faults)
    if arguments.corpus_kind == "timit":
        labelling = timit_labelling(arguments.phones)
    else:
        labelling, warning = corpus_labelling(partitions)
        if warning:
            _LOGGER.warning("%s: %s", arguments.corpus, warning)
    with faults_listed(arguments, arguments.data):
        prepared = prepare(
            partitions,
            arguments.data,
            arguments.features,
            labelling,
            faults=faults,
            jobs=arguments.jobs,
            quiet=arguments.quiet,
            **options,
        )
    report_left_out(arguments, arguments.data, {partition.path.name: partition.faults for partition in prepared})
    for name, changes in {partition.path.name: partition.changes for partition in prepared}.items():
        print("".join(f"{name}: {change}\n" for change in changes), end="")
    for partition in prepared:
        state = "prepared" if partition.computed else "unchanged"
        print(f"{partition.path}: {partition.num_utterances} utterances, {partition.num_frames} frames, {state}")
    ext = Path(prepared[0].path).parent / "ext"
    perplexities = {p.path.name: f"{p.perplexity:.2f} ({p.path.name})" for p in prepared if p.perplexity is not None}
    print(f"{ext / 'lm.arpa.gz'}: perplexity {', '.join(perplexities.values())}")
    return 0
