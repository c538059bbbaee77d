"""Noise: of the sensor (Gaussian, shot), of broken pixels (impulse), and in proportion to the light (speckle).

Source: Hendrycks and Dietterich (ICLR 2019), section 3.2; parameters of the published benchmark code.
"""

from __future__ import annotations

import numpy as np

from clipgap.corruptions.parts import Pixels, to_pixels, to_values


def gaussian_noise(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Normal noise on every value, of standard deviation 0.08 to 0.38 of the range."""
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    return to_pixels(to_values(image) + np.float32(deviation) * random.standard_normal(image.shape, np.float32))


def shot_noise(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Light as few photons: Poisson counts of mean 60 down to 3 where the image is white."""
    photons = (60, 25, 12, 5, 3)[severity - 1]
    return to_pixels(random.poisson(to_values(image) * photons).astype(np.float32) / photons)


def impulse_noise(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Salt and pepper: 3 to 27 of 100 values, of each channel by itself, become 0 or 255."""
    amount = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    drawn = random.random(image.shape, np.float32)
    # One draw decides both: below the amount a value is hit, below half of it with pepper.
    return np.where(drawn >= amount, image, np.where(drawn < amount / 2, np.uint8(0), np.uint8(255)))


def speckle_noise(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Normal noise in proportion to the value, of standard deviation 0.15 to 0.6 of it."""
    deviation = (0.15, 0.2, 0.35, 0.45, 0.6)[severity - 1]
    values = to_values(image)
    return to_pixels(values + values * (np.float32(deviation) * random.standard_normal(image.shape, np.float32)))
