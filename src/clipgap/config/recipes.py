"""Recipes: settings of the levers that ship with the package and lie under a config's own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from clipgap.errors import ConfigError, there_are
from clipgap.parse import parse_yaml

RECIPES = resources.files("clipgap") / "presets" / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(Path(entry.name).stem for entry in RECIPES.iterdir() if entry.name.endswith(".yaml"))


def with_recipe(tree: dict[str, Any], name: object) -> dict[str, Any]:
    """A config's values over those of a recipe: what the config says itself, key by key, stands.

    Raises:
        ConfigError: there is no such recipe.
    """
    if name is None:
        return tree
    if name not in recipe_names():
        raise ConfigError(f"recipe: no such recipe ({there_are(name, recipe_names())}), got {name!r}")
    recipe = parse_yaml((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    return _over(recipe, tree)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _over(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged
