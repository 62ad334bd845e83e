"""Audio of a corpus as the command line says it may be used: conversion, faults that are reported, and left out."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnn_mellin.audio.recording import Conversion
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.data.faulty_utterances import FaultyCorpusError, LeaveOut, fault_table, write_fault_list

__all__ = ["audio_arguments", "faults_listed", "report_left_out"]

_LOGGER = logging.getLogger(__name__)


def audio_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `prepare` and `prepare_speaking_rates` for the options of `cli.options.corpus_audio`."""
    most = arguments.leave_out_damaged
    return {
        "conversion": Conversion(arguments.resample, arguments.mix_down, arguments.channel),
        "leave_out_damaged": None if most is None else LeaveOut(most),
        "check": arguments.check,
    }


@contextmanager
def faults_listed(arguments: argparse.Namespace, out: str) -> Iterator[None]:
    """Context manager that prints and lists the faults of a FaultyCorpusError.

    Args:
        arguments: arguments of the command line.
        out: folder that the command writes; the list is written beside it.
    """
    try:
        yield
    except FaultyCorpusError as error:
        place = _place(arguments, out)
        write_fault_list(place, error.faults)
        print("\n".join(fault_table(error.faults)), file=sys.stderr)
        raise FaultyCorpusError(error.faults, f"{error.why}; {place} lists all of them") from None


def report_left_out(arguments: argparse.Namespace, out: str, faults: Mapping[str, Sequence[Fault]]) -> None:
    """Print and list the utterances that were left out; without any, an older list is deleted.

    Args:
        arguments: arguments of the command line.
        out: folder that the command wrote.
        faults: partition -> faults of its utterances.
    """
    place = _place(arguments, out)
    write_fault_list(place, faults)
    if any(faults.values()):
        print("\n".join(fault_table(faults)), file=sys.stderr)
        shown = ", ".join(f"{len(found)} of {partition}" for partition, found in faults.items() if found)
        _LOGGER.warning("%s: left out %s; %s lists all of them", arguments.corpus, shown, place)


def _place(arguments: argparse.Namespace, out: str) -> Path:
    return Path(arguments.fault_list or f"{out.rstrip('/')}.faults.tsv")
