"""All corruptions by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np

from clipgap.config import CorruptionName
from clipgap.corruptions import blur, digital, noise, weather
from clipgap.corruptions.parts import LEAST_SIDE, Pixels
from clipgap.errors import ConfigError, DataError, there_are

Corruption = Callable[[Pixels, int, np.random.Generator], Pixels]
"""An RGB image (H, W, 3) uint8, a severity from 1 to 5 and a generator -> the corrupted image, of the same shape."""
CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": digital.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg_compression,
    "speckle_noise": noise.speckle_noise,
    "gaussian_blur": blur.gaussian_blur,
    "spatter": weather.spatter,
    "saturate": digital.saturate,
}
STANDARD: tuple[str, ...] = get_args(CorruptionName)[:15]
"""The benchmark's own 15 (Hendrycks and Dietterich, section 3)."""
EXTRA: tuple[str, ...] = get_args(CorruptionName)[15:]
"""The 4 that they keep for tuning (their appendix B), so that nothing is tuned on the benchmark itself."""


def corrupt(image: Pixels, name: str, severity: int, random: np.random.Generator) -> Pixels:
    """Corrupt an image.

    Args:
        image: RGB (H, W, 3) uint8, at least `LEAST_SIDE` pixels a side; it is not changed.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        random: where all random numbers come from.

    Returns:
        A new image of the same shape.

    Raises:
        ConfigError: no such corruption or severity.
        DataError: the image is of another shape or kind, or too small.
    """
    if name not in CORRUPTIONS:
        raise ConfigError(f"corruption {name!r}: no such corruption ({there_are(name, CORRUPTIONS)})")
    if severity not in range(1, 6):
        raise ConfigError(f"severity {severity}: must be 1, 2, 3, 4 or 5")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(f"expected an RGB image (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
    if min(image.shape[:2]) < LEAST_SIDE:
        height, width = image.shape[:2]
        raise DataError(f"{width} x {height} pixels: corruptions need images of at least {LEAST_SIDE} pixels a side")
    return CORRUPTIONS[name](image, severity, random)
