"""Options of `cnn-mellin export`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.trained_model import add_epoch_option, add_feature_file_option

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Write a trained model together with its features as one ONNX file, to run it without torch, or with --web as a page that
recognises phones in the browser, from the microphone or a file. The file takes `audio`, float32
(samples,) of any length, full scale 32768, and returns `posteriors` (frames, classes), with the blank as the last
class, and `num_frames` (1,). Its metadata hold phones, sample_rate_hz, frame_shift_ms and full_scale. Before the file
is written, onnxruntime runs it on several lengths and must agree with the model. Needs the extra `export`. A page also
needs onnxruntime-web, which npm installs and which becomes part of it, so that the page needs no network.
"""
EXAMPLES = [
    "cnn-mellin export model model.onnx",
    "cnn-mellin export model --web page --corpus TIMIT",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of a trained model")
    parser.add_argument("out", metavar="OUT.onnx", type=Path, nargs="?", help="file to write (without --web)")
    parser.add_argument(
        "--web",
        metavar="DIR",
        type=Path,
        help="write a web page with the model into this folder instead, to try the model with your own voice; any web "
        "server can serve it",
    )
    parser.add_argument(
        "--runtime",
        metavar="DIR",
        type=Path,
        help="with --web, folder of the npm package onnxruntime-web (default: node_modules/onnxruntime-web)",
    )
    parser.add_argument(
        "--corpus", metavar="NAME", help="with --web, name of the corpus that the model was trained on, for the page"
    )
    add_epoch_option(parser)
    add_feature_file_option(parser)
