"""Corruptions that are no weather: what DivAlign diversifies by, less what the benchmark keeps for its tests.

Danish et al., CVPR 2024; METHOD, section 8. Of their set, pixels, elastic changes, motion blur and impulse noise are
left out: weights are chosen under those (`evaluate.select: robust`), and what chooses must not be what was trained on.
"""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from clipgap.corruptions import Corruption, corrupt
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
"""Of the benchmark's. None looks like fog, rain, snow or frost."""
LEVELS = 5


class Corruptions:
    """One of ten corruptions of the benchmark, or of two more, at a severity drawn from 1 to 5 times `severity`.

    No level is above 5: a `severity` over 1 changes nothing here.
    """

    def __init__(self, severity: float) -> None:
        self.most = min(max(round(LEVELS * severity), 1), LEVELS)

    def __call__(self, pixels: Pixels, boxes: Boxes, random: np.random.Generator) -> Pixels:
        """An `ImageLever`; boxes are of no use to it."""
        change = CHANGES[int(random.integers(len(CHANGES)))]
        return change(pixels, int(random.integers(1, self.most + 1)), random)


def high_pass(pixels: Pixels, level: int, random: np.random.Generator) -> Pixels:
    """Pixels (H, W, 3) less what a Gaussian of 16 down to 4 pixels leaves, about mid-grey; levels 1 to 5."""
    low = cv2.GaussianBlur(pixels, (0, 0), (16, 12, 8, 6, 4)[level - 1])
    changed: Pixels = np.clip(pixels.astype(np.int16) - low + 128, 0, 255).astype(np.uint8)
    return changed


def turn_phase(pixels: Pixels, level: int, random: np.random.Generator) -> Pixels:
    """Pixels (H, W, 3) with phases turned by N(0, 0.1 level) radians, the same in all channels; levels 1 to 5."""

    def turn(spectrum: Tensor) -> Tensor:
        angle = torch.from_numpy(random.standard_normal(spectrum.shape[1:], dtype=np.float32)) * (0.1 * level)
        angle[0, 0] = 0  # the mean stays
        return spectrum * torch.polar(torch.ones_like(angle), angle)

    return through_spectrum(pixels, turn)


def _of_the_benchmark(pixels: Pixels, level: int, random: np.random.Generator, name: str) -> Pixels:
    return corrupt(pixels, name, level, random)


CHANGES: tuple[Corruption, ...] = (*(partial(_of_the_benchmark, name=name) for name in NAMED), high_pass, turn_phase)
"""Those that are drawn from."""
