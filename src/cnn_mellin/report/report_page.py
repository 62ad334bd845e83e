"""Pages of sections with text, tables and pictures, written as one HTML file or as Markdown."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from cnn_mellin.formats.text_table import escape_markdown, format_table

__all__ = ["Page", "Section"]

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1f2430; background: #fff;
  max-width: 65rem; margin: 2.5rem auto 5rem; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 3rem 0 .5rem; padding-top: .6rem; border-top: 1px solid #e3e6ec; }
p { margin: .5rem 0; max-width: 46rem; }
.about { color: #626a7a; }
.answer { font-size: 1.1rem; background: #f3f6fb; border-left: 4px solid #0b5394; padding: .8rem 1.1rem;
  margin: 1.2rem 0; }
.answer p { margin: .2rem 0; }
.scroll { overflow-x: auto; margin: .9rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .32rem .75rem; text-align: right; border-bottom: 1px solid #e9ecf1; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; color: #4a5263; border-bottom: 2px solid #cfd5df; }
tr.best td { font-weight: 600; background: #f3f6fb; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
figcaption { color: #626a7a; font-size: .88rem; }
pre { background: #f6f7f9; padding: .8rem 1rem; overflow-x: auto; font-size: .8rem; line-height: 1.45; }
details { margin: .6rem 0; }
summary { cursor: pointer; font-weight: 600; color: #0b5394; }
nav { font-size: .92rem; margin: 1rem 0; }
nav a { color: #0b5394; margin-right: 1rem; text-decoration: none; }
@media print { details { display: block; } body { max-width: none; } }
"""


@dataclass
class Section:
    """A section of a page; shows its content in the order in which it is added.

    Args:
        title: heading of the section.
    """

    title: str
    _html: list[str] = field(default_factory=list)
    _markdown: list[str] = field(default_factory=list)

    def text(self, paragraph: str) -> None:
        """Add a paragraph."""
        self._html.append(f"<p>{_escape_html(paragraph)}</p>")
        self._markdown.append(_escape_paragraph(paragraph))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, best: int | None = None) -> None:
        """Add a table; `best` is the index of a row to highlight."""
        head = "".join(f"<th>{_escape_html(cell)}</th>" for cell in header)
        body = ""
        for number, row in enumerate(rows):
            cells = "".join(f"<td>{_escape_html(cell)}</td>" for cell in row)
            body += f'<tr class="best">{cells}</tr>' if number == best else f"<tr>{cells}</tr>"
        self._html.append(
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )
        shown = [[_visible(cell) for cell in row] for row in (header, *rows)]
        self._markdown.append(format_table(shown[0], shown[1:], "markdown"))

    def picture(self, content: bytes, caption: str, *, kind: str = "svg+xml") -> None:
        """Add a picture, embedded in the page; Markdown has only its caption."""
        data = base64.b64encode(content).decode()
        said = _escape_html(caption)
        self._html.append(
            f'<figure><img alt="{said}" src="data:image/{kind};base64,{data}"><figcaption>{said}</figcaption></figure>'
        )
        self._markdown.append(f"*{_escape_line(caption)} (see report.html)*")

    def folded(self, summary: str, text: str) -> None:
        """Add literal text that the page shows when its summary is clicked."""
        about, shown = _escape_html(summary), _escape_html(text)
        self._html.append(f"<details><summary>{about}</summary><pre>{shown}</pre></details>")
        # The fence is longer than all backtick sequences of the text, so that no line of the text closes it.
        fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", text)), 3)
        self._markdown.append(f"{_escape_paragraph(summary)}:\n\n{fence}\n{_visible(text)}\n{fence}")

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
        links = "".join(f'<a href="#s{i}">{_escape_html(section.title)}</a>' for i, section in enumerate(shown))
        body = "".join(
            f'<h2 id="s{i}">{_escape_html(section.title)}</h2>\n' + "\n".join(section._html) + "\n"
            for i, section in enumerate(shown)
        )
        answer = "".join(f"<p>{_escape_html(paragraph)}</p>" for paragraph in self.answer)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{_escape_html(self.title)}</title><style>{_STYLE}</style></head>\n<body>\n"
            f'<h1>{_escape_html(self.title)}</h1>\n<p class="about">{_escape_html(self.about)}</p>\n'
            f'<div class="answer">{answer}</div>\n<nav>{links}</nav>\n{body}</body></html>\n'
        )

    def markdown(self) -> str:
        """The page as Markdown, without pictures."""
        answer = [f"**{_escape_line(paragraph)}**" for paragraph in self.answer]
        blocks = [f"# {_escape_line(self.title)}", _escape_paragraph(self.about), *answer]
        for section in self.sections:
            if not section.empty:
                blocks += [f"## {_escape_line(section.title)}", *section._markdown]
        return "\n\n".join(blocks) + "\n"


def _visible(text: str) -> str:
    """The text with a replacement character for each control character, as XML forbids these."""
    return "".join(c if c in "\n\t" or c.isprintable() or c.isspace() else "\ufffd" for c in text)


def _escape_html(text: str) -> str:
    return html.escape(_visible(text))


def _escape_line(text: str) -> str:
    return _visible(escape_markdown(text))


def _escape_paragraph(text: str) -> str:
    """A paragraph escaped so that Markdown does not take it for a heading, a list or a quotation."""
    return re.sub(r"^(?=[#>+\-=])|^(\d+)(?=[.)])", r"\1\\", _escape_line(text))
