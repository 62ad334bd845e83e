"""`cnn-mellin speed`: write a corpus's test partition at other speaking rates."""

from __future__ import annotations

import argparse

from cnn_mellin.cli.corpus_audio import audio_arguments, faults_listed
from cnn_mellin.cli.corpus_reading import read_corpus
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.data.labelling import corpus_labelling, timit_labelling
from cnn_mellin.data.speaking_rates import prepare_speaking_rates
from cnn_mellin.errors import SettingsError

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Write the partition at all speaking rates."""
    if arguments.jobs < 1:
        raise SettingsError(f"--jobs {arguments.jobs}: must be at least 1")
    options = audio_arguments(arguments)
    faults: list[Fault] = []
    partitions = read_corpus(arguments, faults)
    timit = arguments.corpus_kind == "timit"
    labelling = timit_labelling(arguments.phones) if timit else corpus_labelling(partitions)[0]
    with faults_listed(arguments, arguments.out):
        count = prepare_speaking_rates(
            partitions,
            arguments.out,
            arguments.features,
            labelling,
            arguments.rates,
            part=arguments.part,
            faults=faults,
            jobs=arguments.jobs,
            quiet=arguments.quiet,
            **options,
        )
    print(f"{arguments.out}/{arguments.part}: {count} utterances at {len(arguments.rates)} speaking rates")
    return 0
