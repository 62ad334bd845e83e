"""Packed models: to hand a model on."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.atomic import atomic_directory
from cnn_mellin.best_epochs import BestEpochs
from cnn_mellin.extras import require_packages
from cnn_mellin.training.model_folder import checkpoint_store, load_model, write_description
from cnn_mellin.training.packed_weights import PACKED_WEIGHTS, is_packed

__all__ = ["pack_model"]

_CARD = "README.md"


def pack_model(folder: str | Path, out: str | Path, card: str, *, epoch: int | BestEpochs | None = None) -> str:
    """Write a model as weights, description, settings and card into a folder.

    Args:
        folder: folder of a trained model.
        out: folder to write; an older packed model in it is replaced.
        card: content of README.md.
        epoch: number of the epoch whose weights are written, by default the best; `BestEpochs` writes the mean of
            their weights.

    Returns:
        which weights were written, as a phrase.

    Raises:
        DataError: `folder` is not a model folder, or is damaged; or `out` exists and is not a packed model.
        MissingPackageError: safetensors is not installed (the extra `share`).
    """
    require_packages("pack_model", ["share"])
    from safetensors.torch import save_file  # of an extra

    model, description = load_model(folder, epoch=epoch)
    chosen = checkpoint_store(folder, description).best_epoch if epoch is None else epoch
    phrase = "the packed epoch" if is_packed(folder) else f"epoch {chosen}"
    if isinstance(epoch, BestEpochs):
        phrase = f"the mean of the {epoch.number} best epochs"
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with atomic_directory(out, what="packed model", is_own=is_packed) as temporary:
        save_file(weights, temporary / PACKED_WEIGHTS, {"format": "pt", "weights": phrase})
        write_description(temporary, description)
        (temporary / _CARD).write_text(card, encoding="utf-8")
    return phrase
