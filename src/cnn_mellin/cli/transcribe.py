"""`cnn-mellin transcribe`: recognise audio files."""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from cnn_mellin.atomic import atomic_file
from cnn_mellin.audio.recording import read_recording
from cnn_mellin.cli.compute_device import compute_device
from cnn_mellin.cli.decoder_settings import decoder_settings
from cnn_mellin.cli.model_input import feature_extractor_of
from cnn_mellin.decoding.transcriber import Transcriber, Transcription
from cnn_mellin.errors import AudioError, SettingsError
from cnn_mellin.extras import require_packages
from cnn_mellin.formats.transcripts import ctm_lines
from cnn_mellin.language_models import NgramModel
from cnn_mellin.output_place import require_output_file
from cnn_mellin.report.figures.transcription import plot_transcription
from cnn_mellin.training import load_model

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Transcribe the files; returns 2 if one of them failed."""
    names = _names(arguments.audio)
    pictures = _pictures(arguments, names)
    transcriber, symbols = _transcriber(arguments)
    blocks, num_faults = [], 0
    quiet = arguments.quiet or len(names) < 2
    with tqdm(names.items(), "transcribe", unit="file", disable=quiet or None) as progress:
        for path, name in progress:
            try:
                transcription = _transcribe(transcriber, path)
                block = _block(arguments, path, name, transcription)
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
                    plot_transcription(transcription, symbols, pictures[path], title=_shown(path))
                except OSError as error:
                    reason = error.strerror or error
                    _LOGGER.warning("%s: cannot be written (%s); choose another place", pictures[path], reason)
                    num_faults += 1
    if arguments.out is not None and blocks:
        with atomic_file(arguments.out) as file:
            file.writelines(f"{line}\n" for block in blocks for line in block)
        print(f"{_shown(arguments.out)}: {len(blocks)} of {len(names)} files")
    return 2 if num_faults else 0


def _shown(path: Path) -> str:
    """Name of a file for tables and figures, with control characters and bytes that are not UTF-8 escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Path -> name in a ctm: its stem, or the path without its suffix if several files have that stem."""
    paths = list(dict.fromkeys(paths))
    stems = Counter(path.stem for path in paths)
    names = {path: path.stem if stems[path.stem] == 1 else str(path.with_suffix("")) for path in paths}
    same = [name for name, count in Counter(names.values()).items() if count > 1]
    if same:
        raise SettingsError(f"AUDIO: {len(same)} names are used twice, with different suffixes: {', '.join(same[:5])}")
    return names


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
            raise SettingsError(f"--plot: two figures would be {_shown(picture)}; transcribe the files one by one")
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


def _transcribe(transcriber: Transcriber, path: Path) -> Transcription:
    """Transcribe one file.

    Raises:
        AudioError: the file cannot be read, or does not fit into memory.
    """
    try:
        samples, changes = read_recording(path, sample_rate_hz=transcriber.sample_rate_hz)
        if changes:
            _LOGGER.warning("%s: %s", _shown(path), ", ".join(changes))
        return transcriber(torch.from_numpy(samples))
    except ValueError as error:
        raise AudioError(path, str(error)) from None
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise AudioError(path, "does not fit into memory; cut the recording into shorter files") from None


def _block(arguments: argparse.Namespace, path: Path, name: str, transcription: Transcription) -> list[str]:
    """Lines to print for a file."""
    if arguments.ctm:
        if not name.isprintable():
            why = "its name has bytes that a ctm cannot hold (control characters, or not UTF-8)"
            raise AudioError(_shown(path), f"{why}; rename it, or leave --ctm out")
        try:
            return ctm_lines(name, [(start, end, symbol) for symbol, start, end in transcription.phones])
        except ValueError as error:
            raise AudioError(path, f"{error}; rename it, or leave --ctm out") from None
    if arguments.json:
        phones = [
            {"phone": symbol, "start_s": round(start, 4), "end_s": round(end, 4)}
            for symbol, start, end in transcription.phones
        ]
        n_best = [{"score": score, "phones": symbols} for symbols, score in transcription.n_best]
        content = {"audio": str(path), "duration_s": transcription.duration_s, "phones": phones, "n_best": n_best}
        return [json.dumps(content, allow_nan=False)]
    lines = [f"{_shown(path)}: {len(transcription.phones)} phones in {transcription.duration_s:.2f} s"]
    lines += [f"{start:9.3f} {end:9.3f}  {symbol}" for symbol, start, end in transcription.phones]
    for rank, (symbols, score) in enumerate(transcription.n_best[1:], 2):
        lines.append(f"  {rank}. ({score:.3f}): {' '.join(symbols)}")
    return lines
