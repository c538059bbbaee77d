"""The seven classes of Diverse Weather, and how to draw one. All sizes are real ones, in metres."""

from __future__ import annotations

from clipgap.world.painter import Painter, Place
from clipgap.world.people import person, two_wheeler
from clipgap.world.vehicles import vehicle

CLASSES = ("bus", "bike", "car", "motor", "person", "rider", "truck")
"""In the order of Diverse Weather (METHOD, section 5)."""
RIDDEN = 0.62
"""How many bikes and motors have a rider."""


def draw_thing(painter: Painter, name: str, place: Place) -> list[tuple[str, int, float]]:
    """Draw a thing: for it, and the rider on it, its class, surface and whole width in pixels."""
    if name == "person":
        return [person(painter, place)]
    if name in ("bike", "motor"):
        return two_wheeler(painter, name, place, ridden=painter.random.random() < RIDDEN)
    return [vehicle(painter, name, place)]
