"""`cnn-mellin model`: describe a trained model, and pack it to hand it on."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnn_mellin.errors import DataError
from cnn_mellin.extras import require_packages
from cnn_mellin.output_place import require_apart
from cnn_mellin.report.model_card import card_result, model_card
from cnn_mellin.training.packed_model import pack_model

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Run the action that was chosen."""
    if arguments.action == "card":
        print(_card(arguments), end="")
        return 0
    require_packages("model pack", ["share"])
    require_apart(arguments.out, arguments.model_dir)
    card = _card(arguments)
    epoch = pack_model(arguments.model_dir, arguments.out, card, epoch=arguments.epoch)
    size = sum(path.stat().st_size for path in arguments.out.iterdir())
    print(f"{arguments.out}: weights of {epoch}, settings and model card, {size / 1e6:.1f} MB")
    return 0


def _card(arguments: argparse.Namespace) -> str:
    for _, reference, hypothesis in arguments.scored:
        for path in (reference, hypothesis):
            if not Path(path).is_file():
                raise DataError(f"{path}: does not exist; name a trn file")
    return model_card(
        arguments.model_dir,
        name=arguments.name or arguments.model_dir.resolve().name,
        corpus=arguments.corpus,
        language=arguments.language,
        license_id=arguments.license,
        results=[card_result(*scored) for scored in arguments.scored],
    )
