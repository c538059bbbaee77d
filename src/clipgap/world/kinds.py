"""The two kinds of world: their domains and the style of their streets."""

from __future__ import annotations

from dataclasses import dataclass

from clipgap.errors import ConfigError, there_are
from clipgap.world.optics import Condition
from clipgap.world.second import SECOND
from clipgap.world.style import STREETS, Style

DOMAINS = {
    "daytime_clear": Condition("clear", "day"),
    "daytime_foggy": Condition("fog", "day"),
    "night_sunny": Condition("clear", "night"),
    "dusk_rainy": Condition("rain", "dusk"),
    "night_rainy": Condition("rain", "night"),
}
"""Diverse Weather's domains. `night_sunny` is its own name for a clear night."""
SOURCE, *TARGETS = DOMAINS
SECOND_DOMAINS = {
    SOURCE: DOMAINS[SOURCE],
    "snow_day": Condition("snowfall", "day"),
    "dust_day": Condition("dust", "day"),
    "glare_day": Condition("glare", "day"),
    "low_sun": Condition("low_sun", "dusk"),
}
"""The second world's: those but the source's were drawn for the proof alone (docs/world.md)."""


@dataclass(frozen=True)
class Kind:
    """A kind of world: the condition of each of its domains, the source first, and its streets."""

    domains: dict[str, Condition]
    style: Style


KINDS = {"first": Kind(DOMAINS, STREETS), "second": Kind(SECOND_DOMAINS, SECOND)}


def kind_of(name: str) -> Kind:
    """The kind of a name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in KINDS:
        raise ConfigError(f"{name}: no such kind of world ({there_are(name, KINDS)})")
    return KINDS[name]
