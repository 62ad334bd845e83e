"""`cnn-mellin decode`: recognise the utterances of a partition."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnn_mellin.cli.compute_device import compute_device
from cnn_mellin.cli.decoder_settings import decoder_settings
from cnn_mellin.cli.model_input import open_model_partition
from cnn_mellin.data.logits_folder import read_logits
from cnn_mellin.data.tensor_files import open_partition
from cnn_mellin.decoding.decoded_files import decode_to_files, decoded_paths, require_decodable
from cnn_mellin.decoding.ensemble import ensemble_source
from cnn_mellin.decoding.logit_source import LogitSource
from cnn_mellin.errors import SettingsError
from cnn_mellin.language_models import NgramModel
from cnn_mellin.training import load_model
from cnn_mellin.utterance_names import name_utterances

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Decode the partition with all decoding options."""
    settings = decoder_settings(arguments)
    if arguments.combine == "sequences" and not (arguments.beam_width and len(arguments.model_dirs) > 1):
        raise SettingsError("--combine sequences: needs several models and --beam-width; pass --beam-width 16")
    shift = arguments.frame_shift_ms
    if shift is not None and not 0 < shift < float("inf"):
        raise SettingsError(f"--frame-shift-ms {shift}: must be above 0")
    inputs = (*arguments.model_dirs, arguments.partition, arguments.lm)
    paths = decoded_paths(arguments.out, Path(arguments.partition).name, settings)
    require_decodable(arguments.out, paths, inputs, num_best=arguments.num_best, with_times=arguments.ctm)
    sources = [_source(arguments, model_dir) for model_dir in arguments.model_dirs]
    source = ensemble_source(sources, arguments.model_dirs, combine=arguments.combine)
    if arguments.ctm:
        _check_frame_shift(source, shift)
    language_model = None
    if any(setting.lm_weight for setting in settings):
        arpa = arguments.lm or source.partition_path.parent / "ext" / "lm.arpa.gz"
        language_model = NgramModel.from_arpa(arpa, source.symbols)
    files = decode_to_files(
        source,
        arguments.out,
        settings,
        language_model=language_model,
        num_best=arguments.num_best,
        with_times=arguments.ctm,
        frame_shift_ms=shift,
        inputs=inputs,
        quiet=arguments.quiet,
    )
    for file in files:
        empty = file.empty_utterances
        named = f": {name_utterances(empty)}" if empty else ""
        print(f"{file.path}: {file.num_utterances} utterances ({file.setting.name}), {len(empty)} of them empty{named}")
    return 0


def _source(arguments: argparse.Namespace, model_dir: str) -> LogitSource:
    """Logits that a model computes, or that a folder holds."""
    device = compute_device(arguments)
    if (Path(model_dir) / "partition.json").exists():
        if arguments.epoch is not None:
            raise SettingsError(
                f"--epoch {arguments.epoch}: {model_dir} holds logits of one epoch already; leave it out"
            )
        return LogitSource.of_folder(read_logits(model_dir), open_partition(arguments.partition))
    model, description = load_model(model_dir, epoch=arguments.epoch, device=device)
    partition = open_model_partition(arguments.partition, model_dir, description)
    return LogitSource.of_model(model, partition, description.symbols, frame_shift_ms=description.frame_shift_ms)


def _check_frame_shift(source: LogitSource, given: float | None) -> None:
    """Check what `--ctm` and `--frame-shift-ms` ask for, before logits are computed."""
    known, path = source.frame_shift_ms, source.partition_path
    if known is None and given is None:
        raise SettingsError(f"--ctm: {path} does not hold the frame shift, which times need; pass --frame-shift-ms MS")
    if known is not None and given is not None and known != given:
        raise SettingsError(f"--frame-shift-ms {given:g}: {path} has {known:g}; leave the option out")
