"""SVG files of figures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["svg_bytes"]


def svg_bytes(figure: Figure) -> bytes:
    """The figure as an SVG file without date, so that equal figures give equal bytes; to be called in `drawing`."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
