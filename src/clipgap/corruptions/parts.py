"""What several corruptions are made of: Gaussian blur, motion, zoom, and the way back to 8 bits."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""An RGB image (H, W, 3), 0 to 255."""
Values = npt.NDArray[np.float32]
"""Light or a layer in 0 to 1: (H, W, 3) or (H, W)."""
LEAST_SIDE = 32
"""Pixels that an image must have a side: the benchmark's own rule."""

ERROR = 0.002
"""Of 255 levels: more than what float32 is out by in any of the sums here."""


def to_values(image: Pixels) -> Values:
    """8 bits -> 0 to 1."""
    return np.multiply(image, np.float32(1 / 255), dtype=np.float32)


def to_pixels(values: npt.NDArray[np.floating]) -> Pixels:
    """0 to 1, cut off at both ends, -> 8 bits, rounded down as the published code does it."""
    # A value that would be whole but for float32's error must not lose a whole level.
    pixels: Pixels = np.clip(values * np.float32(255) + np.float32(ERROR), 0, 255).astype(np.uint8)
    return pixels


def soften(
    values: Values, sigma: float, across: float | None = None, truncate: float = 4.0, reflect: bool = False
) -> Values:
    """Gaussian blur; the kernel ends after `truncate` sigmas, the image goes on as its last pixel or as in a mirror.

    Args:
        values: (H, W) or (H, W, C).
        sigma: standard deviation in pixels, along both sides or downwards.
        across: along the rows, where it is another.
        truncate: half the kernel's length in sigmas.
        reflect: mirrored at the border, the last pixel twice; otherwise the last pixel is repeated.
    """
    across = sigma if across is None else across
    size = [2 * int(truncate * one + 0.5) + 1 for one in (across, sigma)]
    border = cv2.BORDER_REFLECT if reflect else cv2.BORDER_REPLICATE
    return np.asarray(cv2.GaussianBlur(values, size, sigmaX=across, sigmaY=sigma, borderType=border), np.float32)


def smear(values: Values, radius: int, sigma: float, angle: float) -> Values:
    """Motion along a line: a mean of copies that are moved by whole pixels, the later the less they count.

    Copy i of 2 `radius` + 1 lies i pixels along the line and weighs exp(-i^2 / (2 sigma^2)). As in the published code,
    the copies from the first one on that would be moved out of the image are left out: it is darker for it.

    Args:
        values: (H, W) or (H, W, C).
        radius: half the length in pixels.
        sigma: of the weights, in pixels.
        angle: of the line, in degrees; at 0 things are drawn out to the left.
    """
    height, width = values.shape[:2]
    places = np.arange(2 * radius + 1)
    weights = np.exp(-(places**2) / (2 * sigma**2))
    weights /= weights.sum()
    down = np.ceil(places * math.sin(math.radians(angle)) - 0.5).astype(int)
    right = np.ceil(places * math.cos(math.radians(angle)) - 0.5).astype(int)
    outside = np.flatnonzero((abs(down) >= height) | (abs(right) >= width))
    count = int(outside[0]) if outside.size else places.size
    top, left = down[:count].min(), right[:count].min()
    kernel = np.zeros((np.ptp(down[:count]) + 1, np.ptp(right[:count]) + 1), np.float32)
    np.add.at(kernel, (down[:count] - top, right[:count] - left), weights[:count])
    anchor = (-int(left), -int(top))
    return np.asarray(cv2.filter2D(values, -1, kernel, anchor=anchor, borderType=cv2.BORDER_REPLICATE), np.float32)


def zoom_centre(values: Values, factor: float) -> Values:
    """The middle 1 / `factor` of an image (H, W, C) enlarged (bilinear, corner on corner) and cut to H x W.

    What is cut off is at the right and at the bottom, as in the published code.
    """
    height, width = values.shape[:2]
    inner = [math.ceil(side / factor) for side in (height, width)]
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    part = values[top : top + inner[0], left : left + inner[1]]
    rows = np.asarray(cv2.transpose(_stretch(part, factor, height)), np.float32)
    return np.asarray(cv2.transpose(_stretch(rows, factor, width)), np.float32).reshape(values.shape)


def _stretch(values: Values, factor: float, keep: int) -> Values:
    """The first `keep` rows of an image whose rows are stretched by `factor`."""
    low, high, share = _between(len(values), factor, keep)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    below = values[low]
    return below + (values[high] - below) * share


@lru_cache(maxsize=64)
def _between(rows: int, factor: float, keep: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Values]:
    """Between which two rows each of the first `keep` rows of a stretched image lies, and how near the second."""
    stretched = round(rows * factor)
    at = np.arange(keep) * ((rows - 1) / (stretched - 1))
    low = np.minimum(at.astype(np.int64), rows - 1)
    return low, np.minimum(low + 1, rows - 1), (at - low).astype(np.float32)
