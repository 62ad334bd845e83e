"""Pages of sections with text, tables and pictures, written as one HTML file, as Markdown or as plain text."""

from __future__ import annotations

import base64
import contextlib
import html
import importlib.resources
import json
import re
import textwrap
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cnn_mellin.formats.text_table import escape_markdown, format_table
from cnn_mellin.report.inline_svg import inline_svg

__all__ = ["Page", "Section"]

_NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?")
_TEXT_WIDTH = 100  # columns of paragraphs in plain text


@dataclass
class Section:
    """A section of a page; shows its content in the order in which it is added.

    Args:
        title: heading of the section.
    """

    title: str
    _html: list[str] = field(default_factory=list)
    _markdown: list[str] = field(default_factory=list)
    _plain: list[str] = field(default_factory=list)
    _num_tables: int = 0
    _num_pictures: int = 0

    def text(self, paragraph: str) -> None:
        """Add a paragraph."""
        self._html.append(f"<p>{_escape_html(paragraph)}</p>")
        self._markdown.append(_escape_paragraph(paragraph))
        self._plain.append(_wrapped(paragraph))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, best: int | None = None) -> None:
        """Add a table, with links to it as CSV and JSON; `best` is the index of a row to highlight."""
        self._num_tables += 1
        name = f"{self.title}, table {self._num_tables}"
        head = "".join(f'<th scope="col">{_escape_html(cell)}</th>' for cell in header)
        body = ""
        for number, row in enumerate(rows):
            cells = f'<th scope="row">{_escape_html(row[0])}</th>'
            cells += "".join(f"<td>{_escape_html(cell)}</td>" for cell in row[1:])
            body += f'<tr class="best">{cells}</tr>' if number == best else f"<tr>{cells}</tr>"
        self._html.append(
            f"<div>{_scrolled(name, f'<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')}"
            f"{_downloads(name, header, rows)}</div>"
        )
        shown = [[_visible(cell) for cell in row] for row in (header, *rows)]
        self._markdown.append(format_table(shown[0], shown[1:], "markdown"))
        self._plain.append(format_table(shown[0], shown[1:]))

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """Context whose tables the page shows beside one another, where it is wide enough."""
        self._html.append('<div class="beside">')
        yield
        self._html.append("</div>")

    def picture(
        self, content: bytes, caption: str, alt: str, *, marks: Sequence[str] = (), invert: bool = False
    ) -> None:
        """Add a picture; Markdown has only its caption, and plain text nothing.

        Args:
            content: SVG file that matplotlib wrote.
            caption: line below the picture.
            alt: text that says what is seen.
            marks: labels as for `inline_svg`.
            invert: True for a heat map on white.
        """
        self._num_pictures += 1
        picture = inline_svg(content, _visible(alt), marks=[_visible(mark) for mark in marks], invert=invert)
        scrolled = _scrolled(f"{self.title}, figure {self._num_pictures}", picture)
        self._html.append(f"<figure>{scrolled}<figcaption>{_escape_html(caption)}</figcaption></figure>")
        self._markdown.append(f"*{_escape_line(caption)} (see report.html)*")

    def audio(self, recordings: Mapping[str, bytes]) -> None:
        """Add recordings to play; Markdown has only their names, and plain text nothing.

        Args:
            recordings: name -> FLAC file.
        """
        for name, content in recordings.items():
            data, shown = base64.b64encode(content).decode(), _escape_html(name)
            self._html.append(
                f'<figure><figcaption>{shown}</figcaption><audio controls preload="metadata" aria-label="{shown}" '
                f'src="data:audio/flac;base64,{data}"></audio></figure>'
            )
        self._markdown.append(f"*Audio: {'; '.join(_escape_line(name) for name in recordings)} (see report.html)*")

    def folded(self, summary: str, text: str) -> None:
        """Add literal text that the page shows when its summary is clicked."""
        about, shown = _escape_html(summary), _escape_html(text)
        self._html.append(f"<details><summary>{about}</summary><pre tabindex='0'>{shown}</pre></details>")
        # The fence is longer than all backtick sequences of the text, so that no line of the text closes it.
        fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", text)), 3)
        self._markdown.append(f"{_escape_paragraph(summary)}:\n\n{fence}\n{_visible(text)}\n{fence}")
        self._plain.append(f"{_wrapped(summary)}:\n\n{textwrap.indent(_visible(text), '  ')}")

    def links(self, summary: str, files: Mapping[str, str]) -> None:
        """Add links to files beside the page, which it shows when the summary is clicked.

        Args:
            summary: what the files are.
            files: name -> path relative to the page's folder.
        """
        items = "".join(
            f'<li><a href="{_escape_html(urllib.parse.quote(path))}">{_escape_html(name)}</a></li>'
            for name, path in files.items()
        )
        self._html.append(f"<details><summary>{_escape_html(summary)}</summary><ul>{items}</ul></details>")
        listed = "\n".join(f"- [{_escape_line(name)}]({urllib.parse.quote(path)})" for name, path in files.items())
        self._markdown.append(f"{_escape_paragraph(summary)}:\n\n{listed}")
        plain = "\n".join(f"  {_visible(name)}: {_visible(path)}" for name, path in files.items())
        self._plain.append(f"{_wrapped(summary)}:\n\n{plain}")

    @property
    def empty(self) -> bool:
        """True if nothing was added."""
        return not self._html


@dataclass
class Page:
    """A page.

    Args:
        title: title of the page.
        about: line below the title.
        answer: paragraphs with the main result.
        sections: sections of the page; empty ones are left out.

    >>> page = Page("PER", "of nothing", ["None < any."], [Section("Table")])
    >>> print(page.markdown())
    # PER
    <BLANKLINE>
    of nothing
    <BLANKLINE>
    **None < any.**
    <BLANKLINE>
    """

    title: str
    about: str
    answer: Sequence[str]
    sections: Sequence[Section]

    def html(self) -> str:
        """The page as one HTML file that refers to no other file."""
        shown = [section for section in self.sections if not section.empty]
        titles = [_escape_html(section.title) for section in shown]
        links = "".join(f'<li><a href="#s{i}">{title}</a></li>' for i, title in enumerate(titles))
        body = "".join(
            f'<section aria-labelledby="s{i}">\n<h2 id="s{i}">{titles[i]}</h2>\n'
            + "\n".join(section._html)
            + "\n</section>\n"
            for i, section in enumerate(shown)
        )
        answer = "".join(f"<p>{_escape_html(paragraph)}</p>" for paragraph in self.answer)
        style, script = (_part(name) for name in ("page.css", "page.js"))
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{_escape_html(self.title)}</title><style>\n{style}</style></head>\n<body>\n<main>\n"
            f'<h1>{_escape_html(self.title)}</h1>\n<p class="about">{_escape_html(self.about)}</p>\n'
            f'<div class="answer">{answer}</div>\n<nav aria-label="Sections"><ul>{links}</ul></nav>\n'
            f"{body}</main>\n<script>\n{script}</script>\n</body></html>\n"
        )

    def markdown(self) -> str:
        """The page as Markdown, without pictures."""
        answer = [f"**{_escape_line(paragraph)}**" for paragraph in self.answer]
        blocks = [f"# {_escape_line(self.title)}", _escape_paragraph(self.about), *answer]
        for section in self.sections:
            if not section.empty:
                blocks += [f"## {_escape_line(section.title)}", *section._markdown]
        return "\n\n".join(blocks) + "\n"

    def plain_text(self) -> str:
        """The page as text for a terminal: aligned tables, wrapped paragraphs, no markup and no pictures."""
        blocks = [_wrapped(self.title), _wrapped(self.about), *map(_wrapped, self.answer)]
        for section in self.sections:
            if section._plain:
                title = _wrapped(section.title)
                blocks += [f"{title}\n{'-' * len(title)}", *section._plain]
        return "\n\n".join(blocks) + "\n"


def _part(name: str) -> str:
    """Text of a file beside this module, which becomes a part of each page."""
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")


def _scrolled(name: str, content: str) -> str:
    """Content that scrolls sideways, also by keyboard."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{_escape_html(name)}">{content}</div>'


def _downloads(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Links to a table as CSV, and as JSON with `columns` and `rows`; numbers are numbers but in the first column."""
    shown = [[_visible(cell) for cell in row] for row in (header, *rows)]
    content = {"columns": shown[0], "rows": [[row[0], *map(_json_value, row[1:])] for row in shown[1:]]}
    files = {
        "CSV": ("csv", "text/csv", format_table(shown[0], shown[1:], "csv") + "\n"),
        "JSON": ("json", "application/json", json.dumps(content, ensure_ascii=False)),
    }
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    links = []
    for kind, (suffix, media_type, text) in files.items():
        data = base64.b64encode(text.encode()).decode()
        links.append(
            f'<a download="{stem}.{suffix}" href="data:{media_type};charset=utf-8;base64,{data}" '
            f'aria-label="{kind}: {_escape_html(name)}">{kind}</a>'
        )
    return f'<p class="downloads">{"".join(links)}</p>'


def _json_value(cell: str) -> str | float | int | None:
    """A number where the cell is one, None for a dash, otherwise its text."""
    if cell == "–":
        return None
    if not _NUMBER.fullmatch(cell):
        return cell
    plain = cell.replace(",", "")
    return float(plain) if "." in plain else int(plain)


def _visible(text: str) -> str:
    """The text with a replacement character for each control character, as XML forbids these."""
    return "".join(c if c in "\n\t" or c.isprintable() or c.isspace() else "\ufffd" for c in text)


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(_visible(paragraph), _TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)


def _escape_html(text: str) -> str:
    return html.escape(_visible(text))


def _escape_line(text: str) -> str:
    return _visible(escape_markdown(text))


def _escape_paragraph(text: str) -> str:
    """A paragraph escaped so that Markdown does not take it for a heading, a list or a quotation."""
    return re.sub(r"^(?=[#>+\-=])|^(\d+)(?=[.)])", r"\1\\", _escape_line(text))
