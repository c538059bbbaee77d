"""Blur: out of focus, behind frosted glass, of a moving or zooming camera, and Gaussian.

Source: Hendrycks and Dietterich (ICLR 2019), section 3.2; parameters of the published benchmark code.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.corruptions.parts import Pixels, smear, soften, to_pixels, to_values, zoom_centre


def defocus_blur(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Out of focus: a disc of radius 3 to 10 pixels, its edge softened. Nothing in it is random."""
    radius, edge = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    reach = np.arange(-max(8, radius), max(8, radius) + 1)
    disc = (reach[:, None] ** 2 + reach**2 <= radius**2).astype(np.float32)
    side = 3 if radius <= 8 else 5
    kernel = cv2.GaussianBlur(disc / disc.sum(), (side, side), sigmaX=edge)
    return to_pixels(np.asarray(cv2.filter2D(to_values(image), -1, kernel), np.float32))


def gaussian_blur(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Gaussian blur of 1 to 6 pixels. Nothing in it is random."""
    return to_pixels(soften(to_values(image), (1, 2, 3, 4, 6)[severity - 1]))


def motion_blur(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """The camera moves along a line, up to 45 degrees from the level."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    return to_pixels(smear(to_values(image), radius, sigma, random.uniform(-45, 45)))


def zoom_blur(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """The camera zooms in: the mean of the image and of ever larger ones, up to 1.1 to 1.3 times. Nothing is random."""
    most, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity - 1]
    values = to_values(image)
    factors = [float(factor) for factor in np.arange(1, most, step)]
    total = values.copy()
    for factor in factors:
        total += zoom_centre(values, factor)
    return to_pixels(total / np.float32(len(factors) + 1))


def glass_blur(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Behind frosted glass: blurred, every pixel replaced by one that is near, and blurred again.

    The published code goes through the pixels one by one from the last to the first. It means to exchange two of them,
    but the second assignment reads what the first has written, so a pixel becomes the other one and the other one
    stays. That is done here for all pixels at once, with the same outcome: see `_copied`.
    """
    sigma, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[severity - 1]
    pixels = to_pixels(soften(to_values(image), sigma)).reshape(-1, 3)
    height, width = image.shape[:2]
    for _ in range(times):
        pixels = pixels[_copied(height, width, reach, random)]
    return to_pixels(soften(to_values(pixels.reshape(image.shape)), sigma))


def _copied(height: int, width: int, reach: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """From which pixel (of H x W, by rows) each one gets its value in one round of `glass_blur`.

    A pixel's partner that lies behind it has had its own turn: there the value is the one that the partner got, which
    may in turn be that of a later one. Such chains are followed by doubling: after k rounds 2^k links are done.
    """
    source = np.arange(height * width)
    rows, columns = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    inside = source.reshape(height, width)[rows, columns].ravel()
    down, right = random.integers(-reach, reach, (2, inside.size))
    partner = inside + down * width + right
    has_turn = np.zeros(height * width, bool)
    has_turn[inside] = True
    source[inside] = partner
    goes_on = np.zeros(height * width, bool)
    goes_on[inside] = (partner > inside) & has_turn[partner]
    while goes_on.any():
        at = np.flatnonzero(goes_on)
        then = source[at]
        source[at], goes_on[at] = source[then], goes_on[then]
    return source
