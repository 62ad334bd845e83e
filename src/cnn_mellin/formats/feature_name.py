"""Names of feature types, of the program or of a file."""

from __future__ import annotations

from pathlib import Path

__all__ = ["feature_name"]


def feature_name(features: str | Path) -> str:
    """Name of the features that a command line or a setting names: of NAME.json, its name without folder and suffix.

    >>> feature_name("fbank-81-10ms"), feature_name("conf/my-bank.json")
    ('fbank-81-10ms', 'my-bank')
    """
    return Path(features).stem if str(features).endswith(".json") else str(features)
