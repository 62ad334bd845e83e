"""Figures, one module per subject."""

__all__: list[str] = []
