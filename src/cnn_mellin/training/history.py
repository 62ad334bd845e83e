"""What each epoch of a training gave."""

from __future__ import annotations

import csv
import io
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
        epoch: from 1.
        learning_rate: at the end of the epoch.
        train_loss: mean over the utterances, each divided by its phones.
        dev_per_percent: dev phone error rate (39 phones where it is TIMIT's set); NaN without a dev partition.
        num_not_emittable: references longer than CTC can emit.
        num_not_finite: batches whose loss or gradient was not finite; they changed nothing.
        utterances_per_s: in the epoch's updates.
        seconds: of the whole epoch.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    dev_per_percent: float
    num_not_emittable: int
    num_not_finite: int
    utterances_per_s: float
    seconds: float


def write_history(path: Path, records: list[EpochRecord]) -> None:
    """Write all records as CSV, whole or not at all; a file that holds them already is left alone."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(EpochRecord)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    if path.exists() and path.read_bytes() == text.getvalue().encode():
        return
    with atomic_file(path) as file:
        file.write(text.getvalue())


def read_history(path: Path) -> list[EpochRecord]:
    """The records of a file that `write_history` wrote; none where there is no file.

    Raises:
        DataError: a line is not one of `write_history`.
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
        raise DataError(f"{path}:1: has no column {error}; delete the file to have it written again") from None
    except (ValueError, TypeError, csv.Error) as error:
        why = f"is no line of a training's history ({error}); delete the file to have it written again"
        raise DataError(f"{path}:{rows.line_num}: {why}") from None


_KINDS: dict[str, Callable[[str], Any]] = {"int": int, "float": float}
