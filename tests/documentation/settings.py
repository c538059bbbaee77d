"""The tables of settings in docs/configuration*.md: keys, defaults and meanings, from the config's own classes."""

from __future__ import annotations

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from clipgap.config import DomainConfig, PromptsConfig, RunConfig

TRAINING = ("fit", "augment", "diversify", "align", "detector", "train", "tune", "average")
"""Groups with a page of their own: what is trained, and how."""


def tables() -> dict[str, str]:
    """The tables of every page by its file's name."""
    groups = {name: kind for name, field in RunConfig.model_fields.items() if (kind := _group(field.annotation))}
    rest = {f"{name}.": kind for name, kind in groups.items() if name not in TRAINING}
    rest |= {"data.source. and each of data.targets: ": DomainConfig, "data.prompts.": PromptsConfig}
    return {
        "configuration.md": _tables({"": RunConfig, **rest}),
        "configuration_training.md": _tables({f"{name}.": groups[name] for name in TRAINING}),
    }


def _group(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _tables(sections: dict[str, type[BaseModel]]) -> str:
    return "\n\n".join(_table(prefix, section) for prefix, section in sections.items())


def _table(prefix: str, section: type[BaseModel]) -> str:
    lines = [
        f"### {prefix.rstrip('. :') or 'top level'}",
        "",
        (section.__doc__ or "").strip().splitlines()[0],
        "",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in section.model_fields.items():
        if _group(field.annotation):
            continue
        default = "(required)" if field.default is PydanticUndefined else f"`{_shown(field.default)}`"
        lines.append(f"| `{name}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    text = yaml.safe_dump(list(value) if isinstance(value, tuple) else value, default_flow_style=True)
    return text.removesuffix("...\n").strip()
