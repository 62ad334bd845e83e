"""`cnn-mellin prep`: compute features and references of a corpus."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnn_mellin.audio.recording import Conversion
from cnn_mellin.cli.corpus_reading import read_corpus
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.faulty_utterances import FaultyCorpusError, LeaveOut, fault_table, write_fault_list
from cnn_mellin.data.labelling import Labelling, corpus_labelling, timit_labelling
from cnn_mellin.data.preparation import prepare
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.symbols import read_symbols

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the corpus, and print what each partition holds."""
    if arguments.jobs is not None and arguments.jobs < 1:
        raise SettingsError(f"--jobs {arguments.jobs}: must be at least 1")
    conversion = Conversion(arguments.resample, arguments.mix_down, arguments.channel)
    leave_out = None if arguments.leave_out_damaged is None else LeaveOut(arguments.leave_out_damaged)
    faults: list[Fault] = []
    partitions = read_corpus(arguments, faults)
    fault_list = Path(arguments.fault_list or f"{arguments.data.rstrip('/')}.faults.tsv")
    try:
        prepared = prepare(
            partitions,
            arguments.data,
            arguments.features,
            lambda used: _labelling(arguments, used),
            conversion=conversion,
            faults=faults,
            leave_out_damaged=leave_out,
            check=arguments.check,
            jobs=arguments.jobs,
            quiet=arguments.quiet,
        )
    except FaultyCorpusError as error:
        write_fault_list(fault_list, error.faults)
        print("\n".join(fault_table(error.faults)), file=sys.stderr)
        raise FaultyCorpusError(error.faults, f"{error.why}; {fault_list} lists all of them") from None
    left_out = {partition.path.name: partition.faults for partition in prepared}
    write_fault_list(fault_list, left_out)
    if any(left_out.values()):
        print("\n".join(fault_table(left_out)), file=sys.stderr)
        shown = ", ".join(f"{len(found)} of {partition}" for partition, found in left_out.items() if found)
        _LOGGER.warning("%s: left out %s; %s lists all of them", arguments.corpus, shown, fault_list)
    for name, changes in {partition.path.name: partition.changes for partition in prepared}.items():
        print("".join(f"{name}: {change}\n" for change in changes), end="")
    for partition in prepared:
        state = "prepared" if partition.computed else "unchanged"
        print(f"{partition.path}: {partition.num_utterances} utterances, {partition.num_frames} frames, {state}")
    ext = Path(prepared[0].path).parent / "ext"
    perplexities = {p.path.name: f"{p.perplexity:.2f} ({p.path.name})" for p in prepared if p.perplexity is not None}
    known = ", ".join(perplexities.values()) or f"not computed for {len(read_symbols(ext))} symbols"
    print(f"{ext / 'lm.arpa.gz'}: perplexity {known}")
    return 0


def _labelling(arguments: argparse.Namespace, partitions: Mapping[str, Sequence[Utterance]]) -> Labelling:
    """Labelling of the corpus; warns about its symbols."""
    if arguments.corpus_kind == "timit":
        return timit_labelling(arguments.phones)
    labelling, warning = corpus_labelling(partitions)
    if warning:
        _LOGGER.warning("%s: %s", arguments.corpus, warning)
    return labelling
