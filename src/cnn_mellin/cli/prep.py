"""`cnn-mellin prep`: compute features and references of a corpus."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnn_mellin.cli.corpus_audio import audio_arguments, faults_listed, report_left_out
from cnn_mellin.cli.corpus_reading import read_corpus
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.audio_preparation import prepare_audio
from cnn_mellin.data.labelling import Labelling, corpus_labelling, timit_labelling
from cnn_mellin.data.preparation import prepare
from cnn_mellin.data.speed_copies import require_speeds
from cnn_mellin.errors import SettingsError

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Prepare the corpus, and print what each partition holds."""
    if arguments.jobs is not None and arguments.jobs < 1:
        raise SettingsError(f"--jobs {arguments.jobs}: must be at least 1")
    if arguments.lm_order < 1:
        raise SettingsError(f"--lm-order {arguments.lm_order}: must be at least 1")
    require_speeds(arguments.speeds)
    _require_audio_options(arguments)
    options = audio_arguments(arguments)
    faults: list[Fault] = []
    partitions = read_corpus(arguments, faults)
    if arguments.corpus_kind == "timit":
        labelling = timit_labelling(arguments.phones)
    else:
        labelling, warning = corpus_labelling(partitions)
        if warning:
            _LOGGER.warning("%s: %s", arguments.corpus, warning)
    if arguments.audio:
        return _prepare_audio(arguments, options, partitions, labelling, faults)
    with faults_listed(arguments, arguments.data):
        prepared = prepare(
            partitions,
            arguments.data,
            arguments.features or ["fbank-81-10ms"],
            labelling,
            faults=faults,
            lm_order=arguments.lm_order,
            speeds=arguments.speeds,
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


def _require_audio_options(arguments: argparse.Namespace) -> None:
    """Check that the options of audio are given together."""
    if arguments.audio:
        if arguments.features is not None:
            raise SettingsError("--features: not with --audio, from which any features can be computed; leave it out")
        if arguments.speeds:
            raise SettingsError("--speeds: not with --audio, which keeps recordings as they are; leave it out")
        if arguments.shard is not None and arguments.shards is None:
            raise SettingsError(f"--shard {arguments.shard}: needs --shards, the number of shards per partition")
        if arguments.sample_rate < 1000:
            raise SettingsError(f"--sample-rate {arguments.sample_rate}: must be at least 1000 Hz")
    for name in ("shards", "shard"):
        value = getattr(arguments, name)
        if value is not None and not arguments.audio:
            raise SettingsError(f"--{name} {value}: needs --audio; features are not written in shards")
    if arguments.shards is not None and arguments.shards < 1:
        raise SettingsError(f"--shards {arguments.shards}: must be at least 1")
    if arguments.shard is not None and not 0 <= arguments.shard < arguments.shards:
        raise SettingsError(f"--shard {arguments.shard}: must lie in 0..{arguments.shards - 1}, below --shards")


def _prepare_audio(
    arguments: argparse.Namespace,
    options: dict[str, Any],
    partitions: Mapping[str, Sequence[Utterance]],
    labelling: Labelling,
    faults: list[Fault],
) -> int:
    """Write shards of audio, and print what each partition holds."""
    del options["check"]
    with faults_listed(arguments, arguments.data):
        prepared = prepare_audio(
            partitions,
            arguments.data,
            labelling,
            sample_rate_hz=arguments.sample_rate,
            shards=arguments.shards,
            shard=arguments.shard,
            faults=faults,
            lm_order=arguments.lm_order,
            jobs=arguments.jobs,
            quiet=arguments.quiet,
            **options,
        )
    report_left_out(arguments, arguments.data, {partition.path.name: partition.faults for partition in prepared})
    for partition in prepared:
        state = (
            f"{len(partition.missing)} of {partition.num_shards} shards are missing" if partition.missing else "whole"
        )
        hours = partition.num_samples / arguments.sample_rate / 3600
        print(
            f"{partition.path}: {partition.num_utterances} utterances, {hours:.2f} hours, "
            f"{len(partition.written)} shards written, {state}"
        )
    return 0
