"""The documentation says what is so: every setting with its default, every verb with its options, and links that lead.

`python -m tests.unit.test_docs` writes the generated parts of docs/configuration*.md and docs/cli_*.md anew.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from clipgap.cli.main import app
from tests.documentation import settings, verbs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BEGIN, END = "<!-- written by python -m tests.unit.test_docs -->", "<!-- end of what is written -->"
PAGES = sorted(DOCS.rglob("*.md"))
OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
LINK = re.compile(r"\]\(([^)\s:]+)\)")
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def generated() -> dict[str, str]:
    """The generated part of every page that has one, by the file's name."""
    return settings.tables() | verbs.reference()


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("name", generated())
def test_generated_parts_are_of_today(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == generated()[name]


@pytest.mark.parametrize("verb", [name for name, _ in verbs.verbs()])
def test_the_command_line_page_has_every_verb(verb: str) -> None:
    assert f"clipgap {verb}" in (DOCS / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "verb"), list(verbs.verbs()))
def test_the_reference_has_what_the_command_line_takes(name: str, verb: verbs.Verb) -> None:
    command: Any = typer.main.get_command(app)
    for word in name.split():
        command = command.commands[word]
    told = [typed for parameter in verbs.parameters(verb) for typed in parameter.name.split(", ") if typed[0] == "-"]
    assert sorted(told) == sorted(typed for parameter in command.params for typed in parameter.opts if typed[0] == "-")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_is_long(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 200


def test_every_page_is_in_the_navigation_once() -> None:
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(files_of(site["project"]["nav"])) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


def files_of(nav: object) -> list[str]:
    """The files that a navigation names: text, or tables and lists of these."""
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [name for each in inner for name in files_of(each)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(file), f"{page.name} links to {link}, but there is no such heading"


@cache
def anchors(page: Path) -> set[str]:
    """What headings are called in links, on GitHub and (by zensical.toml's slugs) on the site."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


if __name__ == "__main__":
    for name, part in generated().items():
        path = DOCS / name
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        path.write_text(f"{before}{BEGIN}\n\n{part}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
