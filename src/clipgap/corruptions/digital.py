"""What a camera's electronics and a file's format do: light, contrast, colour, geometry, few pixels, JPEG.

Source: Hendrycks and Dietterich (ICLR 2019), section 3.2 and appendix B; parameters of the published benchmark code.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from clipgap.corruptions.parts import Pixels, soften, to_pixels, to_values


def brightness(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """HSV's value raised by 0.1 to 0.5, hue and saturation as they are. Nothing in it is random."""
    values = to_values(image)
    before = values.max(axis=2, keepdims=True)
    after = np.minimum(before + np.float32((0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1]), 1)
    # All three channels are proportional to HSV's value; black has no hue and becomes grey.
    return to_pixels(np.where(before > 0, values * (after / np.maximum(before, 1e-6)), after))


def contrast(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Each channel drawn to its mean over the image, down to 0.4 to 0.05 of its range. Nothing in it is random."""
    values = to_values(image)
    means = values.mean(axis=(0, 1), keepdims=True, dtype=np.float64).astype(np.float32)
    return to_pixels((values - means) * np.float32((0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]) + means)


def saturate(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """HSV's saturation weaker (severities 1, 2) or stronger (3 to 5). Nothing in it is random.

    Grey has hue 0: where something is added to the saturation it becomes red, as in the published code.
    """
    factor, added = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))[severity - 1]
    values = to_values(image)
    most = values.max(axis=2, keepdims=True)
    below = most - values
    depth = below.max(axis=2, keepdims=True)  # value times saturation
    before = depth / np.maximum(most, 1e-6)
    after = np.clip(before * np.float32(factor) + np.float32(added), 0, 1)
    red = most * (1 - after * np.array([0, 1, 1], np.float32))
    return to_pixels(np.where(depth > 0, most - below * (after / np.maximum(before, 1e-6)), red))


def elastic_transform(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Every pixel moved by a smooth random field (Simard et al., ICDAR 2003), the stronger the higher the image."""
    strength = 250 * (0.05, 0.065, 0.085, 0.1, 0.12)[severity - 1]
    height, width = image.shape[:2]
    most = height * 0.005
    right, down = (
        soften(
            (2 * random.random((height, width), np.float32) - 1) * np.float32(most),
            height * 0.01,
            width * 0.01,
            truncate=3,
            reflect=True,
        )
        * np.float32(strength)
        for _ in range(2)
    )
    right += np.arange(width, dtype=np.float32)
    down += np.arange(height, dtype=np.float32)[:, None]
    moved = cv2.remap(to_values(image), right, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return to_pixels(np.asarray(moved, np.float32))


def pixelate(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Fewer pixels: shrunk to 0.6 to 0.25 of the sides (means of boxes) and enlarged again. Nothing in it is random."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((int(width * share), int(height * share)), Image.Resampling.BOX)
    return np.array(small.resize((width, height), Image.Resampling.NEAREST))


def jpeg_compression(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Written as JPEG of quality 25 to 7 and read again. Nothing in it is random."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=(25, 18, 15, 10, 7)[severity - 1])
    with Image.open(file) as picture:
        return np.array(picture.convert("RGB"))
