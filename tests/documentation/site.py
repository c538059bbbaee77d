"""An extension of Python-Markdown: what the site of docs/ would show otherwise than GitHub, for which docs/ is written.

TeX becomes MathML, which browsers set without a script. A bar that is escaped in a table's code becomes a bar. Links to
`examples/`, which lies beside docs/, lead to its copy in the site.
"""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

TEX = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.+?)\\[)\]]</(?P=tag)>', re.DOTALL)
"""What pymdownx.arithmatex makes of $...$ and $$...$$."""
CELL = re.compile(r"<t[dh].*?</t[dh]>", re.DOTALL)


class Site(Extension):
    """Puts right what the site shows otherwise than GitHub."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 (the name is Markdown's)
        md.postprocessors.register(_AsOnGitHub(md), "as_on_github", 0)  # after raw HTML is back, which arithmatex makes


class _AsOnGitHub(Postprocessor):
    def run(self, text: str) -> str:
        text = CELL.sub(lambda cell: cell[0].replace(r"\|", "|"), TEX.sub(_set, text))
        return text.replace('href="../examples/', 'href="examples/')


def _set(found: re.Match[str]) -> str:
    return convert(html.unescape(found["tex"]).strip(), display="block" if found["tag"] == "div" else "inline")


def makeExtension(**settings: object) -> Site:  # noqa: N802 (the name is Markdown's)
    """What Markdown asks a module for."""
    return Site(**settings)
