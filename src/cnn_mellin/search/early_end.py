"""Exceptions by which an objective ends its trial before it has a value."""

from __future__ import annotations

__all__ = ["HandBack", "Pruned"]


class Pruned(Exception):  # noqa: N818 (nothing went wrong)
    """Raised by an objective to prune its trial; its text is the reason."""


class HandBack(Exception):  # noqa: N818 (nothing went wrong)
    """Raised by an objective that was asked to stop and has saved its progress, so that any worker can resume it."""
