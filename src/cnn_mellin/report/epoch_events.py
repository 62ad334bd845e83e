"""The epochs of a training as TensorBoard shows them."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mellin.training.history import EpochRecord

__all__ = ["EpochEvents"]


class EpochEvents:
    """Writes loss, dev PER, learning rate and speed to `tensorboard` in a model folder, where TensorBoard is installed.

    Args:
        model_dir: of the training.
    """

    def __init__(self, model_dir: str | Path) -> None:
        self._folder = Path(model_dir) / "tensorboard"
        self._writer: Any = None
        self._installed = importlib.util.find_spec("tensorboard") is not None

    def add(self, record: EpochRecord, *, say: Callable[[str], None]) -> None:
        """Add an epoch; those of an earlier run that come after it are hidden.

        The first time, `say` is told where the events are.
        """
        if not self._installed:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=record.epoch)
            say(f"curves: tensorboard --logdir {self._folder}")
        for name, value in asdict(record).items():
            if name != "epoch" and not math.isnan(value):
                self._writer.add_scalar(name, value, record.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._writer is not None:
            self._writer.close()
