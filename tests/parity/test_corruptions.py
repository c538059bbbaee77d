"""Our corruptions against figures of the published benchmark code (see `corruption_figures.py`)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from clipgap.corruptions import CORRUPTIONS, corrupt
from tests.parity.corruption_figures import FILE, PROBES, figures, picture

PUBLISHED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
RUNS = 12
RUNS_OF_FEW = 40
FEW = {"fog", "motion_blur", "spatter"}
"""One picture of them differs much from the next, so that their means over so few are rough."""


def made(name: str, severity: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    runs = 1 if "probes" in PUBLISHED[name]["1"] else RUNS_OF_FEW if name in FEW else RUNS
    return [corrupt(picture(), name, severity, np.random.default_rng((severity, run))) for run in range(runs)]


def test_the_figures_say_what_they_are_of() -> None:
    assert PUBLISHED["package"] == "imagecorruptions-imaug 1.1.5"
    assert set(PUBLISHED) == {"package", "versions", *CORRUPTIONS}


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if "probes" in PUBLISHED[name]["1"]])
def test_what_is_not_random_is_the_published_one_within_rounding(name: str, severity: int) -> None:
    expected, (ours,) = PUBLISHED[name][str(severity)], made(name, severity)
    probes = np.array([ours[place] for place in PROBES], int)
    assert np.abs(probes - expected["probes"]).max() <= 1
    found = figures([ours])
    assert found["mean"] == pytest.approx(expected["mean"], abs=0.4)  # levels of 255
    assert found["change"] == pytest.approx(expected["change"], abs=0.3)
    assert found["rough"] == pytest.approx(expected["rough"], abs=0.02)


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if "probes" not in PUBLISHED[name]["1"]])
def test_what_is_random_is_as_strong_as_the_published_one(name: str, severity: int) -> None:
    expected, found = PUBLISHED[name][str(severity)], figures(made(name, severity))
    drawn = name == "frost"  # theirs are photographs: as bright and as rough only on average over many
    assert found["mean"] == pytest.approx(expected["mean"], abs=20 if drawn else 10 if name in FEW else 1)
    assert found["change"] == pytest.approx(expected["change"], rel=0.3 if drawn else 0.1 if name in FEW else 0.04)
    assert found["rough"] == pytest.approx(expected["rough"], rel=0.5 if drawn else 0.1 if name in FEW else 0.06)
