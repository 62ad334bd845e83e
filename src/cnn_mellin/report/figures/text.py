"""Text in figures: every name and symbol is shown literally, never as a formula."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

__all__ = ["drawing", "shown_text"]

logger = logging.getLogger(__name__)

_MISSING_GLYPH = re.compile(r"Glyph (\d+) .*missing from")
_MOST_NAMED = 8


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Context or decorator in which figures are made and saved.

    Dollar signs do not start formulas, whatever the user's matplotlibrc says; the same content gives the same SVG, in
    which text is text, not paths; and one warning per figure names the characters that the font lacks.

    Raises:
        ImportError: matplotlib is not installed (the extra `report`).
    """
    mpl = _matplotlib()
    plain: dict[Any, Any] = {"text.parse_math": False, "text.usetex": False, "svg.hashsalt": "cnn-mellin"}
    plain["svg.fonttype"] = "none"
    with mpl.rc_context(plain), warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", _MISSING_GLYPH.pattern)
        yield
    missing = set()
    for warning in caught:
        glyph = _MISSING_GLYPH.match(str(warning.message))
        if glyph is None:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        else:
            missing.add(f"U+{int(glyph[1]):04X}")
    if missing:
        named = ", ".join(sorted(missing)[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
        logger.warning("the font of figures lacks %d characters, which are shown as boxes: %s", len(missing), named)


def _matplotlib() -> Any:
    """Import matplotlib, whatever backend its environment variable names: figures are only saved here, never shown."""
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return mpl


def shown_text(text: str, most: int = 24) -> str:
    r"""A text as figures show it: unprintable characters as escapes, and the middle of a long text replaced by "…".

    Args:
        text: a name or symbol.
        most: largest number of characters of the result.

    >>> shown_text("a\x1b\udcff$"), shown_text("x" * 50, most=9)
    ('a\\x1b\\udcff$', 'xxxx…xxxx')
    """
    printable = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        for letter in text
    )
    half = (most - 1) // 2
    return printable if len(printable) <= most else f"{printable[:half]}…{printable[-half:]}"
