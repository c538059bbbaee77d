"""Amplitudes of a picture's spectrum changed, its phases kept: another look of the same shapes (METHOD, section 8)."""

from __future__ import annotations

import numpy as np
import torch

from clipgap.diversify.diversifier import Boxes, Pixels
from clipgap.diversify.spectrum import through_spectrum

BANDS = 8
"""Bands of frequencies, an octave wide, that have a factor each."""


class FourierAmplitude:
    """The amplitude of every channel and octave of frequencies times exp(N(0, 0.5 severity)).

    The phase, which holds the shapes, stays (Oppenheim and Lim 1981; for domain generalisation Xu et al., CVPR 2021,
    who mix amplitudes with another picture's, where here they are drawn). The factor of the mean is one of them.
    """

    def __init__(self, severity: float) -> None:
        self.sigma = 0.5 * severity

    def __call__(self, pixels: Pixels, boxes: Boxes, random: np.random.Generator) -> Pixels:
        """An `ImageLever`; boxes are of no use to it."""
        factors = torch.from_numpy(np.exp(random.normal(0, self.sigma, (3, BANDS + 1))).astype(np.float32))
        return through_spectrum(pixels, lambda spectrum: spectrum * factors[:, _octaves(*pixels.shape[:2])])


def _octaves(height: int, width: int) -> torch.Tensor:
    """The band of every frequency (H, W // 2 + 1): 0 the mean, 1 the highest octave, BANDS the lowest ones."""
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    radius = torch.hypot(rows, columns)
    octave = torch.floor(-torch.log2(radius.clamp(min=1e-9) / 0.75)).long() + 1
    return torch.where(radius == 0, 0, octave.clamp(1, BANDS))
