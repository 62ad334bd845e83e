"""A page as sections of text, tables and pictures, written as one HTML file or as Markdown."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field

from cnn_mellin.scoring.text_table import format_table

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
    """A section; what is added is shown in that order.

    Args:
        title: heading.
    """

    title: str
    _html: list[str] = field(default_factory=list)
    _markdown: list[str] = field(default_factory=list)

    def text(self, paragraph: str) -> None:
        """Add a paragraph."""
        self._html.append(f"<p>{html.escape(paragraph)}</p>")
        self._markdown.append(paragraph)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, best: int | None = None) -> None:
        """Add a table, one of its rows set off."""
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = ""
        for number, row in enumerate(rows):
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            body += f'<tr class="best">{cells}</tr>' if number == best else f"<tr>{cells}</tr>"
        self._html.append(
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )
        self._markdown.append(format_table(header, rows, "markdown"))

    def picture(self, content: bytes, caption: str, *, kind: str = "svg+xml") -> None:
        """Add a picture, which the page holds; Markdown has its caption alone."""
        data = base64.b64encode(content).decode()
        said = html.escape(caption)
        self._html.append(
            f'<figure><img alt="{said}" src="data:image/{kind};base64,{data}"><figcaption>{said}</figcaption></figure>'
        )
        self._markdown.append(f"*{caption} (see report.html)*")

    def folded(self, summary: str, text: str) -> None:
        """Add text as it is, which the page shows when asked to."""
        self._html.append(f"<details><summary>{html.escape(summary)}</summary><pre>{html.escape(text)}</pre></details>")
        self._markdown.append(f"{summary}:\n\n```\n{text}\n```")

    @property
    def empty(self) -> bool:
        """Whether nothing was added."""
        return not self._html


@dataclass
class Page:
    """A page.

    Args:
        title: above all.
        about: a line below it.
        answer: what a reader wants to know first, a paragraph each.
        sections: the rest; empty ones are left out.

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
        """One file that needs nothing else."""
        shown = [section for section in self.sections if not section.empty]
        links = "".join(f'<a href="#s{i}">{html.escape(section.title)}</a>' for i, section in enumerate(shown))
        body = "".join(
            f'<h2 id="s{i}">{html.escape(section.title)}</h2>\n' + "\n".join(section._html) + "\n"
            for i, section in enumerate(shown)
        )
        answer = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in self.answer)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head>\n<body>\n"
            f'<h1>{html.escape(self.title)}</h1>\n<p class="about">{html.escape(self.about)}</p>\n'
            f'<div class="answer">{answer}</div>\n<nav>{links}</nav>\n{body}</body></html>\n'
        )

    def markdown(self) -> str:
        """The same without pictures."""
        blocks = [f"# {self.title}", self.about, *(f"**{paragraph}**" for paragraph in self.answer)]
        for section in self.sections:
            if not section.empty:
                blocks += [f"## {section.title}", *section._markdown]
        return "\n\n".join(blocks) + "\n"
