"""N-best lists as JSON lines, one line per utterance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file

__all__ = ["write_n_best"]


def write_n_best(path: str | Path, found: Mapping[str, Sequence[tuple[Sequence[str], float]]]) -> None:
    """Write `{"utterance": ..., "n_best": [{"score": ..., "phones": [...]}, ...]}` lines, sorted by utterance.

    The file is written as a whole or not at all.

    Args:
        path: file to write.
        found: utterance -> list of (symbols, score as a natural logarithm), best first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_n_best(Path(folder) / "hyp.jsonl", {"a-1": [(["t", "d"], -1.5)]})
    ...     (Path(folder) / "hyp.jsonl").read_text().strip()
    '{"utterance": "a-1", "n_best": [{"score": -1.5, "phones": ["t", "d"]}]}'
    """
    with atomic_file(path) as file:
        for utterance_id, best in sorted(found.items()):
            listed = [{"score": score, "phones": list(symbols)} for symbols, score in best]
            file.write(json.dumps({"utterance": utterance_id, "n_best": listed}, allow_nan=False) + "\n")
