"""TensorBoard events of the epochs of a training."""

from __future__ import annotations

import importlib.util
import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mellin.training.history import EpochRecord

__all__ = ["EpochEvents"]

_LOGGER = logging.getLogger(__name__)


class EpochEvents:
    """Writes loss, dev PER, learning rate and speed to `tensorboard` in a model folder, where TensorBoard is installed.

    Args:
        model_dir: model folder of the training.
    """

    def __init__(self, model_dir: str | Path) -> None:
        self._folder = Path(model_dir) / "tensorboard"
        self._writer: Any = None
        self._installed = importlib.util.find_spec("tensorboard") is not None

    def add(self, record: EpochRecord) -> None:
        """Add an epoch, and hide later epochs of an earlier run; the first call logs the folder of the events."""
        if not self._installed:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # an optional package

            self._writer = SummaryWriter(str(self._folder), purge_step=record.epoch)
            _LOGGER.info("curves: tensorboard --logdir %s", self._folder)
        for name, value in asdict(record).items():
            if name != "epoch" and not math.isnan(value):
                self._writer.add_scalar(name, value, record.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the file of events."""
        if self._writer is not None:
            self._writer.close()
