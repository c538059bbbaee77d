"""In what two configs differ."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from clipgap.config.schema import RunConfig


def flat(config: RunConfig) -> dict[str, Any]:
    """Every setting by its dotted key, in plain values."""
    return dict(_leaves("", config.model_dump(mode="json")))


def differing(one: RunConfig, other: RunConfig, but: Container[str] = ()) -> list[tuple[str, Any, Any]]:
    """The keys whose values differ, with both; those in `but` are left out. What one does not have is None."""
    first, second = flat(one), flat(other)
    keys = dict.fromkeys([*first, *second])
    pairs = [(key, first.get(key), second.get(key)) for key in keys if key not in but]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _leaves(key: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        return [(key, value)]
    return [leaf for name, inner in value.items() for leaf in _leaves(f"{key}.{name}" if key else name, inner)]
