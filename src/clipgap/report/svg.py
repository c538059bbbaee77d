"""Plots as inline SVG in a few lines: colours, light and dark, are the page's style sheet's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup, escape

Point = tuple[float, float]
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 26, 38
"""Pixels around the axes."""


class Plot:
    """One pair of axes.

    Args:
        title: above it.
        x: lowest and highest value, and what they are.
        y: the same, upwards.
        size: pixels across and down.
        ticks: values on the x axis and what to write there; None: round numbers.
    """

    def __init__(
        self,
        title: str,
        x: tuple[float, float, str],
        y: tuple[float, float, str],
        size: tuple[int, int] = (320, 220),
        ticks: Sequence[tuple[float, str]] | None = None,
    ) -> None:
        self.title, self.x, self.y, self.size = title, x, y, size
        self._parts: list[Markup] = []
        self._axes(ticks)

    def at(self, point: Point) -> Point:
        """Where a point is, in pixels."""
        (x_low, x_high, _), (y_low, y_high, _), (width, height) = self.x, self.y, self.size
        across = (point[0] - x_low) / ((x_high - x_low) or 1)
        up = (point[1] - y_low) / ((y_high - y_low) or 1)
        return LEFT + across * (width - LEFT - RIGHT), height - BOTTOM - up * (height - TOP - BOTTOM)

    def line(self, points: Sequence[Point], kind: str, hint: str = "") -> None:
        """Through points, of a series (`s0`, `s1`, ...) or another class of the style sheet."""
        if points:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, points))
            self._add('<polyline class="line {}" points="{}"><title>{}</title></polyline>', kind, path, hint)

    def dot(self, point: Point, kind: str, hint: str = "") -> None:
        """A small circle."""
        x, y = self.at(point)
        self._add(
            '<circle class="dot {}" cx="{}" cy="{}" r="3"><title>{}</title></circle>',
            kind,
            f"{x:.1f}",
            f"{y:.1f}",
            hint,
        )

    def bar(self, x: float, width: float, value: float, kind: str, hint: str = "") -> None:
        """From 0 to a value; `width` in the x axis' units."""
        (left, top), (right, zero) = self.at((x, max(value, 0.0))), self.at((x + width, min(value, 0.0)))
        self._add(
            '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
            kind, f"{left:.1f}", f"{top:.1f}", f"{right - left:.1f}", f"{zero - top:.1f}", hint,
        )  # fmt: skip

    def svg(self) -> Markup:
        """The whole."""
        width, height = self.size
        head = Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            width, height, self.title
        )
        return head + Markup("").join(self._parts) + Markup("</svg>")

    def _axes(self, ticks: Sequence[tuple[float, str]] | None) -> None:
        (x_low, x_high, x_name), (y_low, y_high, y_name), (width, height) = self.x, self.y, self.size
        self._text(width / 2, 14, self.title, "head")
        self._text((LEFT + width - RIGHT) / 2, height - 6, x_name, "axis")
        middle = (TOP + height - BOTTOM) / 2
        self._add(
            '<text class="axis" text-anchor="middle" transform="translate(11 {}) rotate(-90)">{}</text>', middle, y_name
        )
        for value in round_ticks(y_low, y_high):
            x, y = self.at((x_low, value))
            self._rule((x, y), (width - RIGHT, y), "grid")
            self._text(LEFT - 5, y + 4, _number(value), "tick", "end")
        for value, name in ticks if ticks is not None else [(v, _number(v)) for v in round_ticks(x_low, x_high)]:
            x, y = self.at((value, y_low))
            self._text(x, y + 14, name, "tick")
        self._rule(self.at((x_low, max(y_low, 0.0))), self.at((x_high, max(y_low, 0.0))), "zero")

    def _rule(self, start: Point, end: Point, kind: str) -> None:
        self._add('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>', kind, *(f"{v:.1f}" for v in (*start, *end)))

    def _text(self, x: float, y: float, text: str, kind: str, anchor: str = "middle") -> None:
        self._add(
            '<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>', kind, f"{x:.1f}", f"{y:.1f}", anchor, text
        )

    def _add(self, form: str, *values: object) -> None:
        self._parts.append(Markup(form).format(*map(escape, values)))  # noqa: S704 (forms are ours, values escaped)


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from the lowest to the highest value, at most `most` and one more."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    step = 10 ** math.floor(math.log10(span / most))
    step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def thinned(points: Sequence[Point], most: int = 200) -> list[Point]:
    """At most so many of the points, the first and last among them: a file need not hold more than can be seen."""
    if len(points) <= most:
        return list(points)
    places = [round(place * (len(points) - 1) / (most - 1)) for place in range(most)]
    return [points[place] for place in dict.fromkeys(places)]


def envelope(points: Sequence[Point]) -> list[Point]:
    """Precision made monotone from the right, as the area under it is computed; (recall, precision)."""
    best, found = 0.0, []
    for recall, precision in reversed(points):
        best = max(best, precision)
        found.append((recall, best))
    found.reverse()
    return [point for before, point in pairwise([(-1.0, -1.0), *found]) if point != before]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:g}"
