"""`cnn-mellin transcribe`: recognise audio files."""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from cnn_mellin.atomic import atomic_file
from cnn_mellin.cli.compute_device import compute_device
from cnn_mellin.cli.decoder_settings import decoder_settings
from cnn_mellin.cli.model_input import feature_extractor_of
from cnn_mellin.decoding.transcribed_files import TranscribedFile, printable_path, recording_names, transcribe_file
from cnn_mellin.decoding.transcriber import Transcriber
from cnn_mellin.errors import AudioError, SettingsError
from cnn_mellin.extras import require_packages
from cnn_mellin.language_models import NgramModel
from cnn_mellin.output_place import require_output_file
from cnn_mellin.report.figures.transcription import plot_transcription
from cnn_mellin.training import load_model

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Transcribe the files; returns 2 if one of them failed."""
    names = recording_names(arguments.audio)
    pictures = _pictures(arguments, names)
    transcriber, symbols = _transcriber(arguments)
    blocks, num_faults = [], 0
    quiet = arguments.quiet or len(names) < 2
    with tqdm(names.items(), "transcribe", unit="file", disable=quiet or None) as progress:
        for path, name in progress:
            try:
                file = TranscribedFile(path, name, transcribe_file(transcriber, path))
                block = _lines(arguments, file)
            except AudioError as error:
                _LOGGER.warning(str(error))
                num_faults += 1
                continue
            blocks.append(block)
            if arguments.out is None:
                with tqdm.external_write_mode():
                    print("".join(f"{line}\n" for line in block), end="", flush=True)
            if arguments.plot is not None:
                try:
                    pictures[path].parent.mkdir(parents=True, exist_ok=True)
                    plot_transcription(file.transcription, symbols, pictures[path], title=printable_path(path))
                except OSError as error:
                    reason = error.strerror or error
                    _LOGGER.warning("%s: cannot be written (%s); choose another place", pictures[path], reason)
                    num_faults += 1
    if arguments.out is not None and blocks:
        with atomic_file(arguments.out) as written:
            written.writelines(f"{line}\n" for block in blocks for line in block)
        print(f"{printable_path(arguments.out)}: {len(blocks)} of {len(names)} files")
    return 2 if num_faults else 0


def _pictures(arguments: argparse.Namespace, names: dict[Path, str]) -> dict[Path, Path]:
    """Path of audio -> path of its figure, each a different file that may be written; empty without `--plot`."""
    place = arguments.plot
    if place is None:
        return {}
    require_packages("--plot", ["report"])
    if place.suffix == ".png":
        if len(names) > 1:
            raise SettingsError(f"--plot {place}: is one figure for {len(names)} files; name a folder")
        require_output_file(place, "png", *names)
        return dict.fromkeys(names, place)
    if place.suffix or (place.exists() and not place.is_dir()):
        raise SettingsError(f"--plot {place}: is neither a folder nor a name that ends in .png")
    pictures = {path: place / (name.strip("/").replace("/", "_") + ".png") for path, name in names.items()}
    for picture, count in Counter(pictures.values()).items():
        if count > 1:
            raise SettingsError(
                f"--plot: two figures would be {printable_path(picture)}; transcribe the files one by one"
            )
        require_output_file(picture, "png", *names)
    return pictures


def _transcriber(arguments: argparse.Namespace) -> tuple[Transcriber, list[str]]:
    """The transcriber, and the symbols of its classes."""
    (setting,) = decoder_settings(arguments)
    if bool(setting.lm_weight) != bool(arguments.lm):
        raise SettingsError("--lm and --lm-weight belong together: pass both, or neither")
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise SettingsError(f"--out {arguments.out}: its folder does not exist; make it first")
    inputs = (arguments.model_dir, arguments.lm, arguments.features, *arguments.audio)
    if arguments.out is not None:
        require_output_file(arguments.out, "transcriptions", *inputs)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch, device=compute_device(arguments))
    extractor = feature_extractor_of(arguments.model_dir, description, arguments.features)
    language_model = NgramModel.from_arpa(arguments.lm, description.symbols) if arguments.lm else None
    transcriber = Transcriber(
        model, description.symbols, extractor, setting, language_model, num_best=arguments.num_best
    )
    return transcriber, description.symbols


def _lines(arguments: argparse.Namespace, file: TranscribedFile) -> list[str]:
    """Lines to print for a file.

    Raises:
        AudioError: a ctm cannot hold the name of the file.
    """
    if arguments.json:
        return [json.dumps(file.as_dict(), allow_nan=False)]
    if not arguments.ctm:
        return file.table_lines()
    try:
        return file.ctm_lines()
    except AudioError as error:
        raise AudioError(error.path, f"{error.why}, or leave --ctm out") from None
