"""SVG of figures as part of a page: text stays text, and colours follow the page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from xml.etree import ElementTree

__all__ = ["inline_svg"]

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_POINTS = re.compile(r"([\d.]+)pt")
_COLOUR = re.compile(r"(fill|stroke): #([0-9a-f]{6})\b")
# Fonts that matplotlib lists; the page names those that exist on most machines and are as wide as the first.
_FONTS = re.compile(r"'DejaVu Sans',[^;]*sans-serif")
_MARK = "mark-"
_BLACK, _WHITE = "000000", "ffffff"


def inline_svg(content: bytes, alt: str, *, marks: Sequence[str] = (), invert: bool = False) -> str:
    """Element `svg` for a page, from a file that matplotlib wrote.

    Black becomes the page's colour of text, white its background, and any other colour RRGGBB the page's variable
    `--figure-RRGGBB` where the page defines it. Ids are made unique to the figure.

    Args:
        content: the SVG file.
        alt: text that says what the figure shows.
        marks: label of each element whose id is `mark-` and its number; a reader can reach them by keyboard.
        invert: True for a heat map on white, which a dark page shows inverted.

    >>> inline_svg(b'<svg xmlns="http://www.w3.org/2000/svg" width="72pt"><text>PER</text></svg>', "A word.")
    '<svg width="96" role="group" aria-label="A word."><text>PER</text></svg>'
    """
    root = ElementTree.fromstring(content)
    prefix = f"f{hashlib.sha256(content).hexdigest()[:8]}-"
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        for name, value in list(element.attrib.items()):
            del element.attrib[name]
            element.set(_local(name), _in_page(_local(name), value, prefix))
    for name in ("version", "height"):
        root.attrib.pop(name, None)
    width = _POINTS.fullmatch(root.get("width", ""))
    if width is not None:
        root.set("width", f"{float(width[1]) * 96 / 72:.0f}")
    root.set("role", "group")
    root.set("aria-label", alt)
    if invert:
        root.set("class", "invert")
    _label_marks(root, marks, prefix)
    return ElementTree.tostring(root, encoding="unicode").strip()


def _label_marks(root: ElementTree.Element, marks: Sequence[str], prefix: str) -> None:
    elements = {element.get("id"): element for element in root.iter("g")}
    for number, label in enumerate(marks):
        element = elements[f"{prefix}{_MARK}{number}"]
        for name, value in (("class", "mark"), ("role", "img"), ("tabindex", "-1" if number else "0")):
            element.set(name, value)
        element.set("aria-label", label)


def _local(name: str) -> str:
    """Name without its namespace, as HTML has it."""
    return name.rpartition("}")[2]


def _in_page(name: str, value: str, prefix: str) -> str:
    """Value of an attribute, with the ids and colours of the page."""
    if name == "id":
        return prefix + value
    if name == "href" and value.startswith("#"):
        return f"#{prefix}{value[1:]}"
    value = value.replace("url(#", f"url(#{prefix}")
    return (
        _COLOUR.sub(_page_colour, _FONTS.sub("'DejaVu Sans', Verdana, sans-serif", value)) if name == "style" else value
    )


def _page_colour(match: re.Match[str]) -> str:
    known = {_BLACK: "currentColor", _WHITE: "var(--page)"}
    return f"{match[1]}: {known.get(match[2], f'var(--figure-{match[2]}, #{match[2]})')}"
