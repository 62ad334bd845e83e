"""Packed models on disk: the weights of one epoch as a safetensors file beside the description."""

from __future__ import annotations

from pathlib import Path

import torch

from cnn_mellin.errors import DataError
from cnn_mellin.extras import require_packages

__all__ = ["PACKED_WEIGHTS", "is_packed", "load_packed_weights", "snapshot_folder"]

PACKED_WEIGHTS = "model.safetensors"


def is_packed(folder: str | Path) -> bool:
    """True for a folder that `pack_model` wrote, which has no checkpoints.

    Args:
        folder: a folder.
    """
    return (Path(folder) / PACKED_WEIGHTS).is_file() and not (Path(folder) / "checkpoints.json").exists()


def snapshot_folder(folder: str | Path) -> Path:
    """The folder of a model's files: its main snapshot for a model in the cache of Hugging Face's hub, or itself.

    Args:
        folder: a model folder, or one such as `models--NAME--MODEL` of the hub's cache.
    """
    folder = Path(folder)
    main = folder / "refs" / "main"
    if (folder / "snapshots").is_dir() and main.is_file():
        return folder / "snapshots" / main.read_text(encoding="utf-8").strip()
    return folder


def load_packed_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a packed model.

    Raises:
        DataError: the file is damaged.
        MissingPackageError: safetensors is not installed (the extra `share`).
    """
    require_packages(f"{folder / PACKED_WEIGHTS}", ["share"])
    from safetensors import SafetensorError  # of an extra
    from safetensors.torch import load_file

    try:
        return load_file(folder / PACKED_WEIGHTS)
    except SafetensorError as error:
        raise DataError(f"{folder / PACKED_WEIGHTS}: is damaged ({error}); copy it again") from None
