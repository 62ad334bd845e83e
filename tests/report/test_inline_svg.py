import re
from xml.etree import ElementTree

import pytest

from cnn_mellin.report.figures.svg import svg_bytes
from cnn_mellin.report.figures.text import drawing
from cnn_mellin.report.inline_svg import inline_svg

pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")

ALT = 'A line, "rising" <by> 3 & more.'


def figure(label: str = "dev PER", colour: str = "#0b5394") -> bytes:
    from matplotlib.figure import Figure

    with drawing():
        made = Figure(figsize=(3, 2))
        axes = made.subplots()
        axes.plot([1, 2], [1, 4], color=colour)
        axes.set_xlabel(label)
        for number, bar in enumerate(axes.bar([1, 2], [4, 4], alpha=0)):
            bar.set_gid(f"mark-{number}")
        return svg_bytes(made)


def test_text_is_text_and_the_figure_says_what_it_shows():
    svg = ElementTree.fromstring(inline_svg(figure(), ALT))
    assert svg.get("aria-label") == ALT
    assert svg.get("role") == "group"
    assert svg.get("width") == "288"  # 3 inches of 96 pixels
    assert "dev PER" in [text.text for text in svg.iter("text")]
    assert not list(svg.iter("style"))
    assert not list(svg.iter("metadata"))


def test_ids_are_unique_to_the_figure_and_references_follow_them():
    ids = []
    for label in ("a", "b"):
        text = inline_svg(figure(label), ALT)
        own = {element.get("id") for element in ElementTree.fromstring(text).iter()} - {None}
        references = {*re.findall(r"url\(#([^)]*)\)", text), *re.findall(r'href="#([^"]*)"', text)}
        assert references
        assert references <= own
        ids.append(own)
    assert not ids[0] & ids[1]


def test_colours_are_those_of_the_page():
    text = inline_svg(figure(colour="#b45309"), ALT)
    assert "stroke: var(--figure-b45309, #b45309)" in text
    assert "fill: var(--page)" in text
    assert "stroke: currentColor" in text
    assert not re.search(r"(fill|stroke): #", text)


def test_marks_are_labelled_and_the_first_can_be_reached():
    svg = ElementTree.fromstring(inline_svg(figure(), ALT, marks=["one <1>", "two"]))
    marks = [element for element in svg.iter("g") if element.get("class") == "mark"]
    assert [mark.get("aria-label") for mark in marks] == ["one <1>", "two"]
    assert [mark.get("tabindex") for mark in marks] == ["0", "-1"]
    assert {mark.get("role") for mark in marks} == {"img"}
