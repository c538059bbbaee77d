"""Plots: where points are, round ticks, and no word that is taken for markup."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipgap.report.svg import BOTTOM, LEFT, RIGHT, TOP, Plot, envelope, round_ticks, thinned


def test_corners_are_where_the_axes_end() -> None:
    plot = Plot("a", (0, 10, "x"), (-1, 1, "y"), (200, 100))
    assert plot.at((0, -1)) == (LEFT, 100 - BOTTOM)
    assert plot.at((10, 1)) == (200 - RIGHT, TOP)


def test_words_are_words() -> None:
    evil = '<script>alert("1")</script>&'
    plot = Plot(evil, (0, 1, evil), (0, 1, evil), ticks=[(0.5, evil)])
    plot.line([(0, 0), (1, 1)], "s0", evil)
    plot.dot((0, 0), "s0", evil)
    plot.bar(0, 0.5, 0.7, "s0", evil)
    root = ET.fromstring(str(plot.svg()))
    assert not [one for one in root.iter() if one.tag == "script"]
    assert root.attrib["aria-label"] == evil
    assert sum(one.text == evil for one in root.iter()) == 7


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 62.3, [0, 20, 40, 60]),
        (2.4, 3.5, [2.5, 3, 3.5]),
        (0, 2400, [0, 500, 1000, 1500, 2000]),
        (3, 3, [3]),
        (0, math.inf, [0]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert round_ticks(low, high) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    ticks = round_ticks(low, low + span)
    assert len(ticks) <= 6
    assert all(low - 1e-6 * span - 1e-9 <= tick <= low + span * (1 + 1e-6) + 1e-9 for tick in ticks)


def test_thinned_keeps_both_ends() -> None:
    points = [(float(n), 0.0) for n in range(1000)]
    few = thinned(points, 50)
    assert (len(few), few[0], few[-1]) == (50, points[0], points[-1])
    assert thinned(points[:50], 50) == points[:50]


def test_precision_falls_only() -> None:
    assert envelope([(0.1, 1.0), (0.1, 0.5), (0.2, 0.6), (0.3, 0.2)]) == [
        (0.1, 1.0),
        (0.1, 0.6),
        (0.2, 0.6),
        (0.3, 0.2),
    ]
    assert envelope([]) == []
