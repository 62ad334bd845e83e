"""Folding of phones for scoring, recorded in `ext/scoring.json` of a data directory."""

from __future__ import annotations

import json
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import read_json

__all__ = ["SCORING_FILE", "is_folded", "write_folding"]

SCORING_FILE = "scoring.json"


def write_folding(ext: Path, *, folded: bool) -> None:
    """Record whether symbols are folded to TIMIT's 39 phones before they are scored.

    Args:
        ext: folder `ext` of the data directory; it must exist.
        folded: True for folding to 39 phones, False for unchanged symbols.
    """
    with atomic_file(ext / SCORING_FILE) as file:
        file.write(json.dumps({"folded_to": 39 if folded else None}) + "\n")


def is_folded(ext: str | Path, *, default: bool = True) -> bool:
    """Return True if the symbols of a corpus are folded to TIMIT's 39 phones before they are scored.

    Args:
        ext: folder `ext` of the data directory, or any folder that holds references.
        default: result for a folder without a record, such as one that an earlier version prepared.

    Raises:
        DataError: the record is damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     before = is_folded(folder)
    ...     write_folding(Path(folder), folded=False)
    ...     before, is_folded(folder)
    (True, False)
    """
    path = Path(ext) / SCORING_FILE
    if not path.exists():
        return default
    content = read_json(path)
    fault = shape_fault(content, {"folded_to": (int, None)})
    if fault is None and content["folded_to"] not in (39, None):
        fault = f"folded_to is {content['folded_to']}, not 39 or null"
    if fault is not None:
        raise DataError(f"{path}: is damaged ({fault}); prepare the corpus again")
    return content["folded_to"] is not None
