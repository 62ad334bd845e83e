"""Extension of griffe for the documentation site: examples in docstrings become a section, with colours."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Puts the heading that griffe expects before the examples (`>>>`) that end a docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a function, class or module."""
        if obj.docstring is None:
            return
        text, prompt, examples = obj.docstring.value.partition("\n>>> ")
        if prompt:
            indented = re.sub(r"^(?=.)", "    ", f">>> {examples}", flags=re.MULTILINE)
            obj.docstring.value = f"{text}\nExamples:\n{indented}"
