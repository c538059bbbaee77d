"""Random convolution: other textures and local contrast, the same shapes (PhysAug's main part; METHOD, section 8)."""

from __future__ import annotations

import cv2
import numpy as np

from clipgap.diversify.diversifier import Boxes, Pixels


class RandomConvolution:
    """Every channel through a 3 x 3 kernel of its own, delta + sigma N(0, 1), with sigma ~ U(0, 4 severity).

    Of what comes out, the absolute value, stretched from its least to its greatest value to the whole range.
    """

    def __init__(self, severity: float) -> None:
        self.most = 4 * severity

    def __call__(self, pixels: Pixels, boxes: Boxes, random: np.random.Generator) -> Pixels:
        """An `ImageLever`; boxes are of no use to it."""
        kernels = random.normal(0, random.uniform(0, self.most), (3, 3, 3)).astype(np.float32)
        kernels[:, 1, 1] += 1
        changed = np.empty_like(pixels)
        for channel, kernel in enumerate(kernels):
            out = np.abs(cv2.filter2D(pixels[..., channel], cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101))
            low, high = float(out.min()), float(out.max())
            changed[..., channel] = (out - low) * np.float32(255 / max(high - low, 1e-6)) + np.float32(0.5)
        return changed
