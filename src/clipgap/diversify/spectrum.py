"""Pixels through their spectrum and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from clipgap.diversify.diversifier import Pixels


def through_spectrum(pixels: Pixels, change: Callable[[Tensor], Tensor]) -> Pixels:
    """Pixels (H, W, 3) whose real spectrum (3, H, W // 2 + 1) was changed."""
    height, width = pixels.shape[:2]
    spectrum = change(torch.fft.rfft2(torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)))
    changed = torch.fft.irfft2(spectrum, s=(height, width)).add_(0.5).clamp_(0, 255)
    result: Pixels = changed.to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return result
