"""Light, colour, sharpness and noise: what a camera and its day do to a picture, two or three at a time."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.diversify.diversifier import Boxes, Pixels

Curve = npt.NDArray[np.float32]
"""Values in [0, 1] that 0, 1, ... 255 become, (256, 3), of every channel."""


class Photometric:
    """Two or three of gamma, contrast, brightness and colour cast, in any order, then blur, then noise.

    Generic: nothing here knows of fog, rain or night. With severity 1: gamma between 1/2.5 and 2.5, contrast (about the
    picture's mean) between 0.35 and 1.6, brightness between 0.3 and 1.5, each uniform in its logarithm; a cast of
    factors exp(N(0, 0.25)) a channel; Gaussian blur of up to 2 pixels; Gaussian noise of a deviation of up to 0.1 of
    the range. All that acts on single pixels is one look-up table a channel.
    """

    def __init__(self, severity: float) -> None:
        self.severity = severity
        self.curves = (self._gamma, self._contrast, self._brightness, self._cast)

    def __call__(self, pixels: Pixels, boxes: Boxes, random: np.random.Generator) -> Pixels:
        """An `ImageLever`; boxes are of no use to it."""
        chosen = random.permutation(len(self.curves) + 2)[: random.integers(2, 4)]
        curve = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[:, None], 3, axis=1)
        for number in chosen[chosen < len(self.curves)]:
            curve = np.clip(self.curves[number](curve, pixels, random), 0, 1)
        changed = np.asarray(cv2.LUT(pixels, np.rint(curve * 255).astype(np.uint8)[:, None]), dtype=np.uint8)
        if len(self.curves) in chosen:
            changed = self._blur(changed, random)
        return self._noise(changed, random) if len(self.curves) + 1 in chosen else changed

    def _gamma(self, curve: Curve, _: Pixels, random: np.random.Generator) -> Curve:
        return curve ** self._factor(1 / 2.5, 2.5, random)

    def _contrast(self, curve: Curve, pixels: Pixels, random: np.random.Generator) -> Curve:
        middle = np.float32(curve.mean(1)[round(float(pixels[::8, ::8].mean()))])
        return middle + (curve - middle) * self._factor(0.35, 1.6, random)

    def _brightness(self, curve: Curve, _: Pixels, random: np.random.Generator) -> Curve:
        return curve * self._factor(0.3, 1.5, random)

    def _cast(self, curve: Curve, _: Pixels, random: np.random.Generator) -> Curve:
        return curve * np.exp(random.normal(0, 0.25 * self.severity, 3)).astype(np.float32)

    def _blur(self, pixels: Pixels, random: np.random.Generator) -> Pixels:
        sigma = random.uniform(0.3, 0.3 + 1.7 * self.severity)
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), dtype=np.uint8)

    def _noise(self, pixels: Pixels, random: np.random.Generator) -> Pixels:
        sigma = random.uniform(0.01, 0.01 + 0.09 * self.severity) * 255
        noise = random.standard_normal(pixels.shape, dtype=np.float32) * sigma
        return np.clip(pixels + noise + 0.5, 0, 255).astype(np.uint8)

    def _factor(self, low: float, high: float, random: np.random.Generator) -> np.float32:
        """Between low and high, uniform in its logarithm; with a severity s, between their s-th powers."""
        return np.float32(np.exp(self.severity * random.uniform(np.log(low), np.log(high))))
