"""A drawn texture of ice on glass, for `frost`: patches of needles side by side, and thicker and thinner ice."""

from __future__ import annotations

import math

import cv2
import numpy as np

from clipgap.corruptions.parts import Values, soften

DARK = np.array([71, 98, 110], np.float32) / 255
BRIGHT = np.array([198, 212, 222], np.float32) / 255
"""Mean colours between which a picture's lies: about those of the darkest and the brightest published photograph."""
ROUGH, CLOUDY = 16 / 255, 20 / 255
"""Standard deviations of the needles and of the ice's thickness: the photographs' own, fine and coarse."""
PATCHES, DIRECTIONS, COARSE = 60, 8, 3
"""Of needles: how many patches, in how many directions, and to how many pixels their edges are exact."""
SHORT_SIDE = 350
"""Pixels of the short side of the benchmark's photographs: larger images get an enlarged picture of ice, as there."""


def draw_ice(height: int, width: int, random: np.random.Generator) -> Values:
    """A picture of ice (H, W, 3) in 0 to 1, another one for every state of the generator."""
    scale = max(1.0, min(height, width) / SHORT_SIDE)
    needles = _needles(math.ceil(height / scale), math.ceil(width / scale), random)
    cloud = soften(random.standard_normal((12, 18), np.float32), 1.0)
    cloud = np.asarray(cv2.resize(cloud, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    needles = np.asarray(cv2.resize(needles, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    relief = ROUGH * _standard(needles) + CLOUDY * _standard(cloud)
    colour = DARK + np.float32(random.random()) * (BRIGHT - DARK)
    return np.asarray(np.clip(relief[..., None] + colour, 0, 1), np.float32)


def _needles(height: int, width: int, random: np.random.Generator) -> Values:
    """Noise drawn out along lines: every patch, a cell around a random point, has one of a few directions."""
    points = random.random((PATCHES, 2)) * (height, width)
    ways = random.integers(0, DIRECTIONS, PATCHES)
    rows, columns = (np.arange(0, side, COARSE).astype(np.float32) for side in (height, width))
    away = [np.add.outer((rows - y) ** 2, (columns - x) ** 2) for y, x in points.astype(np.float32)]
    cells = ways[np.argmin(away, axis=0)].astype(np.uint8)
    way = cells.repeat(COARSE, axis=0).repeat(COARSE, axis=1)[:height, :width]
    noise = random.standard_normal((height, width), np.float32)
    noise = np.maximum(noise - 1, 0)  # single grains: the needles stand apart
    needles = np.zeros_like(noise)
    turn = random.uniform(0, math.pi)
    for number in range(DIRECTIONS):
        drawn = cv2.filter2D(noise, -1, _line(turn + math.pi * number / DIRECTIONS), borderType=cv2.BORDER_REFLECT)
        needles += np.where(way == number, drawn, np.float32(0))
    return needles


def _line(angle: float, reach: int = 9) -> Values:
    """A kernel that is a line of 2 `reach` + 1 pixels at an angle in radians, thinner towards its ends."""
    side = 2 * reach + 1
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    along = right * math.cos(angle) + down * math.sin(angle)
    across = right * math.sin(angle) - down * math.cos(angle)
    kernel = np.exp(-(across**2) / 0.4 - 2 * (along / reach) ** 2)
    return np.asarray(kernel / kernel.sum(), np.float32).reshape(side, side)


def _standard(values: Values) -> Values:
    """Of mean 0 and standard deviation 1."""
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-6), np.float32)
