"""Page to which benchmarks write their results."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["write_section"]

_PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def write_section(name: str, text: str) -> None:
    """Replace one marked section of docs/benchmarks.md, or append it, and print it.

    Args:
        name: name of the section in its marks.
        text: content of the section, in Markdown.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    page = _PAGE.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page = pattern.sub(lambda _: section, page) if pattern.search(page) else f"{page.rstrip()}\n\n{section}\n"
    _PAGE.write_text(page, encoding="utf-8")
    print(text)
