"""The documentation says what is so: every setting with its default, every verb.

`python -m tests.unit.test_docs` writes the tables of docs/configuration.md anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from clipgap.cli.main import app
from clipgap.config import DomainConfig, PromptsConfig, RunConfig

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- settings: written by python -m tests.unit.test_docs -->", "<!-- end of settings -->"


def tables() -> str:
    """A table of keys, defaults and meanings for every section of a run config."""
    sections: dict[str, type[BaseModel]] = {"": RunConfig}
    for name, field in RunConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            sections[f"{name}."] = field.annotation
    sections["data.source. and each of data.targets: "] = DomainConfig
    sections["data.prompts."] = PromptsConfig
    return "\n\n".join(table(prefix, section) for prefix, section in sections.items())


def table(prefix: str, section: type[BaseModel]) -> str:
    lines = [
        f"### {prefix.rstrip('. :') or 'top level'}",
        "",
        first_line(section),
        "",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue
        default = "(required)" if field.default is PydanticUndefined else f"`{shown(field.default)}`"
        lines.append(f"| `{name}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(lines)


def first_line(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def shown(value: object) -> str:
    text = yaml.safe_dump(list(value) if isinstance(value, tuple) else value, default_flow_style=True)
    return text.removesuffix("...\n").strip()


def test_configuration_has_every_setting_with_its_default() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == tables()


def verbs() -> list[str]:
    root = typer.main.get_command(app)
    found = []
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found += [f"{name} {verb}" for verb in inner] if inner else [name]
    return found


@pytest.mark.parametrize("verb", verbs())
def test_the_command_line_page_has_every_verb(verb: str) -> None:
    assert f"clipgap {verb}" in (DOCS / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*DOCS.glob("*.md"), DOCS.parent / "README.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


if __name__ == "__main__":
    path = DOCS / "configuration.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
