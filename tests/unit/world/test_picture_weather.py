"""The world's weather on any picture."""

from __future__ import annotations

import numpy as np
import pytest

from clipgap.world import WEATHERS_OF_PICTURES, PictureWeather, weathered
from clipgap.world.optics.picture import FARTHEST, NEAREST, guessed_depth

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)


@pytest.mark.parametrize("weather", WEATHERS_OF_PICTURES)
def test_stronger_is_farther_from_the_picture(weather: PictureWeather) -> None:
    assert weathered(PICTURE, weather, 0) is PICTURE
    away = [
        float(np.abs(weathered(PICTURE, weather, strength).astype(float) - PICTURE).mean())
        for strength in (0.2, 0.6, 1.0)
    ]
    assert away == sorted(away)
    assert away[0] > 1
    assert np.array_equal(weathered(PICTURE, weather, 0.5, 7), weathered(PICTURE, weather, 0.5, 7))


@pytest.mark.parametrize("weather", ["night", "rain", "snow"])
def test_what_is_random_follows_from_the_seed(weather: PictureWeather) -> None:
    assert not np.array_equal(weathered(PICTURE, weather, 0.5, 1), weathered(PICTURE, weather, 0.5, 2))


def test_what_is_far_goes_first() -> None:
    flat = np.full((100, 50, 3), 30, dtype=np.uint8)
    rows = weathered(flat, "fog", 0.5)[:, 0, 0].astype(int)
    assert (np.diff(rows) <= 0).all()
    assert rows[0] > rows[-1] > 30
    depth = guessed_depth(100, 50)
    assert depth.shape == (100, 50)
    assert (depth[0, 0], depth[-1, 0]) == (pytest.approx(FARTHEST), pytest.approx(NEAREST))


def test_night_is_dark_and_noisy() -> None:
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    night = weathered(grey, "night", 1.0)
    assert night.mean() < 90
    assert night.std() > 5


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (300, 1, 3)])
def test_any_shape(shape: tuple[int, int, int]) -> None:
    for weather in WEATHERS_OF_PICTURES:
        assert weathered(np.zeros(shape, dtype=np.uint8), weather, 1.0).shape == shape
