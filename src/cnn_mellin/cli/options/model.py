"""Options of `cnn-mellin model`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.trained_model import add_epoch_option

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = "Describe a trained model, and pack it to hand it on."
EXAMPLES = [
    "cnn-mellin model card model --corpus TIMIT --language en",
    "cnn-mellin model pack model my-model --license cc-by-4.0",
]


def add_options(parser: CommandParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    card = actions.add_parser(
        "card",
        help="print a model card",
        description="Print the card of a model: what it is, what it was trained on, its phone error rates with "
        "intervals, intended use and licence, as Markdown with the metadata that Hugging Face's hub reads.",
        examples=[
            "cnn-mellin model card model --corpus TIMIT --scored test data/fbank-81-10ms/ext/test.ref.trn hyp.trn"
        ],
    )
    card.add_argument("model_dir", metavar="MODEL_DIR", type=Path, help="folder of a trained model")
    _add_card_options(card)
    pack = actions.add_parser(
        "pack",
        help="write the weights of one epoch, the settings and a model card into a folder",
        description="Write a folder to hand on: model.safetensors (the weights of one epoch), model.json and "
        "settings.ini, and README.md, the model card. Every command that reads a model folder reads it, also as a "
        "snapshot in the cache of Hugging Face's hub; it cannot be trained further. Needs the extra `share`.",
        examples=["cnn-mellin model pack model my-model --license cc-by-4.0 --corpus TIMIT"],
    )
    pack.add_argument("model_dir", metavar="MODEL_DIR", type=Path, help="folder of a trained model")
    pack.add_argument("out", metavar="OUT", type=Path, help="folder to write")
    add_epoch_option(pack)
    _add_card_options(pack)


def _add_card_options(parser: CommandParser) -> None:
    parser.add_argument("--name", help="name of the model (default: that of its folder)")
    parser.add_argument("--corpus", metavar="NAME", help="name of the corpus that the model was trained on")
    parser.add_argument("--language", metavar="CODE", help="code of its language, such as en")
    parser.add_argument("--license", metavar="ID", help="identifier of the model's licence, such as cc-by-4.0")
    parser.add_argument(
        "--scored",
        nargs=3,
        action="append",
        default=[],
        metavar=("NAME", "REF.trn", "HYP.trn"),
        help="report the phone error rate of a transcript with its 95%% interval; may be given several times",
    )
