"""Names and logs of any content are shown as text, in HTML and in Markdown."""

import base64
import json
import re
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
        self.text += [value for name, value in attrs if name == "aria-label"]

    def handle_data(self, data) -> None:
        self.text.append(data)


@pytest.fixture
def page() -> Page:
    section = Section(NASTY)
    section.text(NASTY)
    section.table([NASTY], [[NASTY]])
    section.picture(b"<svg/>", NASTY, NASTY)
    section.links(NASTY, {NASTY: "logs/a b.log"})
    section.audio({NASTY: b""})
    section.folded(NASTY, f"{NASTY}\n```\n<b>")
    return Page(NASTY, NASTY, [NASTY], [section])


def test_html_shows_all_text_and_runs_none(page):
    reader = Reader()
    reader.feed(page.html())
    assert {"eps", "b"} & set(reader.tags) == set()
    assert reader.tags.count("script") == 1  # the page's own
    shown = NASTY.replace("\x1b", "\ufffd").replace("\x00", "\ufffd")
    assert sum(shown in text for text in reader.text) == 21
    assert not {"\x1b", "\x00"} & set(page.html())


def test_plain_text_shows_all_text_as_it_is_without_pictures():
    section = Section("Rates & more")
    section.text("word " * 40)
    section.table(["system", "PER %"], [["m_corr", "9.10"]])
    section.picture(b"<svg/>", "a caption", "a picture")
    section.links("Logs", {"train": "logs/a b.log"})
    section.audio({"slow": b""})
    section.folded("Settings", "a = 1\nb = \x1b2")
    only_a_picture = Section("Figures")
    only_a_picture.picture(b"<svg/>", "a caption", "a picture")
    text = Page("PER", "of <b>", ["None < *any*."], [section, only_a_picture]).plain_text()
    start, _, rest = text.partition(" word\n\n")
    assert start.startswith("PER\n\nof <b>\n\nNone < *any*.\n\nRates & more\n------------\n\nword word ")
    assert max(map(len, start.splitlines())) <= 100
    assert rest == (
        "system  PER %\nm_corr   9.10\n\nLogs:\n\n  train: logs/a b.log\n\nSettings:\n\n  a = 1\n  b = \ufffd2\n"
    )


def test_markdown_holds_no_html_and_no_markup_but_its_own(page):
    text = page.markdown()
    outside, code, rest = text.partition("````\n")
    assert "<script" not in outside
    assert "<eps" not in outside
    escaped = "&lt;eps> \\*x\\* \\_y\\_ \\`z\\` \\[l\\](u)"
    assert outside.count(escaped) == 12
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


def test_tables_can_be_downloaded_as_csv_and_json():
    section = Section("By rate")
    section.table(["system", "PER %", "p", "weights"], [["1", "9.10", "< 0.001", "1,024"], ["=2", "–", "-0.5", "x"]])
    page = Page("T", "a", [], [section]).html()
    links = re.findall(r'<a download="([^"]+)" href="data:([^;]+);charset=utf-8;base64,([^"]+)"', page)
    files = {name: (kind, base64.b64decode(data).decode()) for name, kind, data in links}
    csv = 'system,PER %,p,weights\n1,9.10,< 0.001,"1,024"\n\'=2,–,-0.5,x\n'
    assert files["by-rate-table-1.csv"] == ("text/csv", csv)
    kind, content = files["by-rate-table-1.json"]
    assert kind == "application/json"
    rows = [["1", 9.1, "< 0.001", 1024], ["=2", None, -0.5, "x"]]
    assert json.loads(content) == {"columns": ["system", "PER %", "p", "weights"], "rows": rows}


def test_tables_have_scopes_and_regions_have_names_of_their_own():
    section = Section("By rate")
    for _ in range(2):
        section.table(["system", "PER %"], [["a", "1"]], best=0)
    page = Page("T", "a", [], [section]).html()
    assert page.count('<th scope="col">system</th><th scope="col">PER %</th>') == 2
    assert page.count('<tr class="best"><th scope="row">a</th><td>1</td></tr>') == 2
    assert re.findall('role="region" tabindex="0" aria-label="([^"]*)"', page) == [
        "By rate, table 1",
        "By rate, table 2",
    ]
    assert '<nav aria-label="Sections">' in page
    assert page.count("<main>") == 1
