"""Where a picture draws the eye: the spectral residual (Hou and Zhang, CVPR 2007)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.diversify.diversifier import Pixels

SIDE = 64
"""Pixels of the map's sides, as in the paper."""


def spectral_residual(pixels: Pixels) -> npt.NDArray[np.float32]:
    """The saliency (64, 64) in [0, 1] of pixels (H, W, 3): what of the log spectrum is not smooth."""
    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    spectrum = np.fft.fft2(small.astype(np.float32))
    log = np.log(np.abs(spectrum) + 1e-6).astype(np.float32)
    residual = log - cv2.blur(log, (3, 3))
    saliency = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    smooth = np.asarray(cv2.GaussianBlur(saliency.astype(np.float32), (0, 0), 2.5), dtype=np.float32)
    return smooth / max(float(smooth.max()), 1e-12)


def saliency_of(
    saliency: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32], size: tuple[int, int]
) -> list[float]:
    """The mean saliency in every box (N, 4) of an image of (height, width)."""
    height, width = size
    scale = np.array([SIDE / width, SIDE / height] * 2)
    found = []
    for x1, y1, x2, y2 in boxes * scale:
        rows = slice(int(y1), max(int(np.ceil(y2)), int(y1) + 1))
        columns = slice(int(x1), max(int(np.ceil(x2)), int(x1) + 1))
        cells = saliency[rows, columns]
        found.append(float(cells.mean()) if cells.size else 0.0)
    return found
