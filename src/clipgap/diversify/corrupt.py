"""Corruptions that are no weather, as DivAlign diversifies (Danish et al., CVPR 2024; METHOD, section 8)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from clipgap.corruptions import corrupt
from clipgap.diversify.diversifier import Boxes, Pixels
from clipgap.diversify.spectrum import through_spectrum

NAMED = (
    "gaussian_noise",
    "shot_noise",
    "defocus_blur",
    "glass_blur",
    "zoom_blur",
    "gaussian_blur",
    "brightness",
    "contrast",
    "saturate",
    "jpeg_compression",
)
"""Of the benchmark's. None looks like fog, rain, snow or frost, and none is among the defaults of
`evaluate.select_corruptions`: what chooses must not be what was trained on."""
OWN = ("high_pass", "phase")
LEVELS = 5


class Corruptions:
    """One of ten corruptions of the benchmark, or of two more, at a severity drawn from 1 to 5 times `severity`.

    `high_pass` takes away what a Gaussian of 16 down to 4 pixels leaves, and puts mid-grey there; `phase` keeps the
    amplitudes of the spectrum and turns its phases by N(0, 0.1 to 0.5) at random.
    """

    def __init__(self, severity: float) -> None:
        self.most = min(max(round(LEVELS * severity), 1), LEVELS)

    def __call__(self, pixels: Pixels, boxes: Boxes, random: np.random.Generator) -> Pixels:
        """An `ImageLever`; boxes are of no use to it."""
        number, level = int(random.integers(len(NAMED) + len(OWN))), int(random.integers(1, self.most + 1))
        if number < len(NAMED):
            return corrupt(pixels, NAMED[number], level, random)
        own = OWN[number - len(NAMED)]
        return high_pass(pixels, level) if own == "high_pass" else turn_phase(pixels, level, random)


def high_pass(pixels: Pixels, level: int) -> Pixels:
    """Pixels (H, W, 3) without their low frequencies, about mid-grey; levels 1 to 5."""
    low = cv2.GaussianBlur(pixels, (0, 0), (16, 12, 8, 6, 4)[level - 1])
    changed: Pixels = np.clip(pixels.astype(np.int16) - low + 128, 0, 255).astype(np.uint8)
    return changed


def turn_phase(pixels: Pixels, level: int, random: np.random.Generator) -> Pixels:
    """Pixels (H, W, 3) with every frequency's phase turned at random, the same in all channels; levels 1 to 5."""

    def turn(spectrum: Tensor) -> Tensor:
        angle = torch.from_numpy(random.standard_normal(spectrum.shape[1:], dtype=np.float32)) * (0.1 * level)
        angle[0, 0] = 0  # the mean stays
        return spectrum * torch.polar(torch.ones_like(angle), angle)

    return through_spectrum(pixels, turn)
