"""Options of `cnn-mellin logits`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.trained_model import add_epoch_option

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Compute the logits of every utterance of a partition once, to try decoding options (cnn-mellin decode OUT ...) or other
decoders without the model. OUT has the form of a partition whose features are the logits, float32 (output frames,
classes), with the blank as the last class; `cnn-mellin data export OUT FOLDER` converts it to one feat/UTT.pt per
utterance.
"""
EXAMPLES = ["cnn-mellin logits model data/fbank-81-10ms/dev dev-logits"]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of a trained model")
    parser.add_argument("partition", metavar="PARTITION", help="partition whose logits to compute")
    parser.add_argument("out", metavar="OUT", help="folder to write; older logits of that name are replaced")
    add_epoch_option(parser)
