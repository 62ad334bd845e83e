"""Names and logs of any content are shown as text, in HTML and in Markdown."""

from html.parser import HTMLParser

import pytest

from cnn_mellin.report.report_page import Page, Section

NASTY = "<script>alert(1)</script> & \"a\" 'b' | <eps> *x* _y_ `z` [l](u) \x1b[2J\x00"


class Reader(HTMLParser):
    """Tags and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.text += [value for name, value in attrs if name == "alt"]

    def handle_data(self, data) -> None:
        self.text.append(data)


@pytest.fixture
def page() -> Page:
    section = Section(NASTY)
    section.text(NASTY)
    section.table([NASTY], [[NASTY]])
    section.picture(b"<svg/>", NASTY)
    section.folded(NASTY, f"{NASTY}\n```\n<b>")
    return Page(NASTY, NASTY, [NASTY], [section])


def test_html_shows_all_text_and_runs_none(page):
    reader = Reader()
    reader.feed(page.html())
    assert {"script", "eps", "b"} & set(reader.tags) == set()
    shown = NASTY.replace("\x1b", "\ufffd").replace("\x00", "\ufffd")
    assert sum(shown in text for text in reader.text) == 13
    assert not {"\x1b", "\x00"} & set(page.html())


def test_markdown_holds_no_html_and_no_markup_but_its_own(page):
    text = page.markdown()
    outside, code, rest = text.partition("````\n")
    assert "<script" not in outside
    assert "<eps" not in outside
    escaped = "&lt;eps> \\*x\\* \\_y\\_ \\`z\\` \\[l\\](u)"
    assert outside.count(escaped) == 9
    assert code + rest == f"````\n{NASTY}\n```\n<b>\n````\n".replace("\x1b", "\ufffd").replace("\x00", "\ufffd")
    assert not {"\x1b", "\x00"} & set(text)


@pytest.mark.parametrize(
    ("paragraph", "markdown"),
    [
        ("# no heading", "\\# no heading"),
        ("- no list", "\\- no list"),
        ("+ no list", "\\+ no list"),
        ("> no quotation", "\\> no quotation"),
        ("1. no list", "1\\. no list"),
        ("=== no rule", "\\=== no rule"),
        ("p < 0.05, R&D, mcorr_a", "p < 0.05, R&D, mcorr_a"),
    ],
)
def test_a_paragraph_stays_one(paragraph, markdown):
    section = Section("Title")
    section.text(paragraph)
    assert Page("T", "a", [], [section]).markdown().endswith(f"## Title\n\n{markdown}\n")
