"""`cnn-mellin transcribe`: audio files to phones with times."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_mellin.cli.decoder_options import add_decoder_options, decoder_settings
from cnn_mellin.errors import AudioError, SettingsError
from cnn_mellin.output_place import require_output_file

if TYPE_CHECKING:
    from cnn_mellin.decoding.transcriber import Transcriber, Transcription

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to those of a parser."""
    parser = subparsers.add_parser(
        "transcribe",
        help="audio files -> phones with times",
        description="Recognise audio files (wav, flac, NIST SPHERE) with a trained model: features are computed as "
        "those that it was trained on. Files of another rate are resampled and several channels mixed down, which is "
        "said. A file that cannot be read is named, the others are transcribed, and the exit status is then 2. The "
        "result goes to standard output: a table of start, end (in seconds) and phone for each file.",
    )
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of a trained model")
    parser.add_argument("audio", nargs="+", type=Path, metavar="AUDIO", help="files to transcribe")
    add_decoder_options(parser, "such as lm.arpa.gz in the ext folder of a data directory", several=False)
    parser.add_argument(
        "--features", metavar="FILE.json", help="configuration of the features, where the model does not know its own"
    )
    written = parser.add_mutually_exclusive_group()
    written.add_argument("--ctm", action="store_true", help="print NIST's ctm: file, channel, start, duration, phone")
    written.add_argument(
        "--json", action="store_true", help="print a JSON object a line for each file, N-best included"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="PLACE",
        help="also draw waveform, features, posteriors and phones: FILE.png for one file, or a folder",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Transcribe."""
    from tqdm import tqdm

    names = _names(arguments.audio)
    pictures = _pictures(arguments, names)
    transcriber, symbols = _transcriber(arguments)
    blocks, num_faults = [], 0

    def complain(why: object) -> None:
        nonlocal num_faults
        num_faults += 1
        tqdm.write(f"cnn-mellin: {' '.join(str(why).split())}", file=sys.stderr)

    quiet = arguments.quiet or len(names) < 2
    with tqdm(names.items(), "transcribe", unit="file", disable=quiet or None) as progress:
        for path, name in progress:
            try:
                transcription = _transcribe(transcriber, path, lambda line: tqdm.write(line, file=sys.stderr))
                block = _block(arguments, path, name, transcription)
            except AudioError as error:
                complain(error)
                continue
            blocks.append(block)
            if arguments.out is None:
                with tqdm.external_write_mode():
                    print("".join(f"{line}\n" for line in block), end="", flush=True)
            if arguments.plot is not None:
                from cnn_mellin.report.figures.transcription import plot_transcription

                try:
                    pictures[path].parent.mkdir(parents=True, exist_ok=True)
                    plot_transcription(transcription, symbols, pictures[path], title=_shown(path))
                except OSError as error:
                    complain(f"{pictures[path]}: cannot be written ({error.strerror or error}); choose another place")
    if arguments.out is not None and blocks:
        from cnn_mellin.atomic import atomic_file

        with atomic_file(arguments.out) as file:
            file.writelines(f"{line}\n" for block in blocks for line in block)
        print(f"{_shown(arguments.out)}: {len(blocks)} of {len(names)} files")
    return 2 if num_faults else 0


def _shown(path: Path) -> str:
    """Name of a file for tables and pictures: bytes that are no UTF-8, and control characters, are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Path -> what it is called in a ctm: its stem, or the path without its suffix where stems are the same."""
    paths = list(dict.fromkeys(paths))
    stems = Counter(path.stem for path in paths)
    names = {path: path.stem if stems[path.stem] == 1 else str(path.with_suffix("")) for path in paths}
    same = [name for name, count in Counter(names.values()).items() if count > 1]
    if same:
        raise SettingsError(f"AUDIO: {len(same)} names are there twice, with other suffixes: {', '.join(same[:5])}")
    return names


def _pictures(arguments: argparse.Namespace, names: dict[Path, str]) -> dict[Path, Path]:
    """Path of audio -> path of its picture, each a different one that may be written."""
    place = arguments.plot
    if place is None:
        return {}
    from cnn_mellin.extras import require_packages

    require_packages("--plot", ["report"])
    if place.suffix == ".png":
        if len(names) > 1:
            raise SettingsError(f"--plot {place}: is one picture for {len(names)} files; name a folder")
        require_output_file(place, "png", *names)
        return dict.fromkeys(names, place)
    if place.suffix or (place.exists() and not place.is_dir()):
        raise SettingsError(f"--plot {place}: is neither a folder nor a name that ends in .png")
    pictures = {path: place / (name.strip("/").replace("/", "_") + ".png") for path, name in names.items()}
    for picture, count in Counter(pictures.values()).items():
        if count > 1:
            raise SettingsError(f"--plot: two pictures would be {_shown(picture)}; transcribe the files one by one")
        require_output_file(picture, "png", *names)
    return pictures


def _transcriber(arguments: argparse.Namespace) -> tuple[Transcriber, list[str]]:
    """What transcribes, and the symbols of its classes."""
    from cnn_mellin.cli.compute_device import compute_device
    from cnn_mellin.decoding.transcriber import Transcriber
    from cnn_mellin.features import FeatureExtractor
    from cnn_mellin.language_models import NgramModel
    from cnn_mellin.training import load_model
    from cnn_mellin.training.model_folder import feature_extractor

    (setting,) = decoder_settings(arguments)
    if bool(setting.lm_weight) != bool(arguments.lm):
        raise SettingsError("--lm and --lm-beta belong together: give both, or neither")
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise SettingsError(f"--out {arguments.out}: its folder does not exist; make it first")
    inputs = (arguments.model_dir, arguments.lm, arguments.features, *arguments.audio)
    if arguments.out is not None:
        require_output_file(arguments.out, "transcriptions", *inputs)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch, device=compute_device(arguments))
    if arguments.features is None:
        extractor = feature_extractor(arguments.model_dir, description)
    else:
        extractor = FeatureExtractor.from_json(arguments.features)
        if extractor.num_coefficients != description.num_features:
            raise SettingsError(
                f"--features {arguments.features}: has {extractor.num_coefficients} coefficients a frame, but "
                f"{arguments.model_dir} was trained on {description.num_features}"
            )
    language_model = NgramModel.from_arpa(arguments.lm, description.symbols) if arguments.lm else None
    transcriber = Transcriber(
        model, description.symbols, extractor, setting, language_model, num_best=arguments.num_best
    )
    return transcriber, description.symbols


def _transcribe(transcriber: Transcriber, path: Path, say: Any) -> Transcription:
    import torch

    from cnn_mellin.audio.recording import read_recording

    try:
        samples, changes = read_recording(path, sample_rate_hz=transcriber.sample_rate_hz)
        if changes:
            say(f"cnn-mellin: {_shown(path)}: {', '.join(changes)}")
        return transcriber(torch.from_numpy(samples))
    except ValueError as error:
        raise AudioError(path, str(error)) from None
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise AudioError(path, "does not fit into memory; cut it into shorter files") from None


def _block(arguments: argparse.Namespace, path: Path, name: str, transcription: Transcription) -> list[str]:
    """Lines to print for a file."""
    if arguments.ctm:
        from cnn_mellin.formats.transcripts import ctm_lines

        if not name.isprintable():
            why = "its name has bytes that a ctm cannot hold (no UTF-8, or control characters)"
            raise AudioError(_shown(path), f"{why}; rename it, or leave --ctm out")
        try:
            return ctm_lines(name, [(start, end, symbol) for symbol, start, end in transcription.phones])
        except ValueError as error:
            raise AudioError(path, f"{error}; rename it, or leave --ctm out") from None
    if arguments.json:
        import json

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
