"""Colours: every writing has a contrast of 4.5 at least, every line of 3, in light and in dark."""

from __future__ import annotations

import re
from importlib import resources

import pytest

STYLE = resources.files("clipgap.report").joinpath("style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(colours: dict[str, str]) -> None:
    assert len(colours) == 12
    for ground in ("page", "card"):
        for ink in ("ink", "soft"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["warn"], colours["page"]) >= 4.5
    for number in range(6):
        assert contrast(colours[f"s{number}"], colours["page"]) >= 3, number


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_numbers_on_heat_are_legible(colours: dict[str, str]) -> None:
    heat = [int(part) for part in re.findall(r"--heat: (\d+) (\d+) (\d+)", STYLE)[colours is DARK]]
    page = [int(colours["page"][place : place + 2], 16) for place in (1, 3, 5)]
    strongest = "#" + "".join(f"{round(0.45 * hot + 0.55 * cold):02x}" for hot, cold in zip(heat, page, strict=True))
    assert contrast(colours["ink"], strongest) >= 4.5


def test_series_differ_without_colours() -> None:
    dashes = re.findall(r"\.s[1-5] \{[^}]*stroke-dasharray: ([^;]+);", STYLE)
    assert len(set(dashes)) == 5
