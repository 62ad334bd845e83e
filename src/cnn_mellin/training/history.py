"""The history of a training: one record per epoch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.text_file import read_lines

__all__ = ["EpochRecord", "read_history", "write_history"]


@dataclass(frozen=True)
class EpochRecord:
    """One line of `history.csv`.

    Args:
        epoch: number of the epoch, from 1.
        learning_rate: learning rate at the end of the epoch.
        train_loss: mean over utterances of the loss per phone.
        dev_per_percent: dev phone error rate (39 classes for TIMIT phones); NaN without a dev partition.
        num_not_emittable: number of references that are longer than CTC can emit.
        num_not_finite: number of batches whose loss or gradient was not finite; such a batch updates nothing.
        utterances_per_s: speed of the updates, evaluation excluded.
        seconds: time of the whole epoch, evaluation included.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    dev_per_percent: float
    num_not_emittable: int
    num_not_finite: int
    utterances_per_s: float
    seconds: float

    @property
    def value(self) -> float:
        """Dev phone error rate, or training loss without a dev partition: lowest after the best epoch."""
        return self.train_loss if math.isnan(self.dev_per_percent) else self.dev_per_percent


def write_history(path: Path, records: list[EpochRecord]) -> None:
    """Write all records as CSV, atomically; a file that already holds them is not touched."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochRecord)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    if path.exists() and path.read_bytes() == text.getvalue().encode():
        return
    with atomic_file(path) as file:
        file.write(text.getvalue())


def read_history(path: Path) -> list[EpochRecord]:
    """Read the records that `write_history` wrote; none if the file does not exist.

    Raises:
        DataError: `write_history` did not write this file, or it is damaged.
    """
    if not path.exists():
        return []
    rows = csv.DictReader(read_lines(path, expected="the history of a training"))
    try:
        return [
            EpochRecord(**{field.name: _KINDS[str(field.type)](row[field.name]) for field in fields(EpochRecord)})
            for row in rows
        ]
    except KeyError as error:
        raise DataError(f"{path}:1: has no column {error}; delete it, and the same training writes it again") from None
    except (ValueError, TypeError, csv.Error) as error:
        why = f"is not a line of a training's history ({error}); delete it, and the same training writes it again"
        raise DataError(f"{path}:{rows.line_num}: {why}") from None


_KINDS: dict[str, Callable[[str], Any]] = {"int": int, "float": float}
