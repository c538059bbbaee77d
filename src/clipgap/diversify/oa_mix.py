"""OA-Mix, written from its description (Lee et al., AAAI 2024; METHOD, section 8): AugMix that knows of objects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from clipgap.diversify.diversifier import Boxes, Pixels
from clipgap.diversify.saliency import saliency_of, spectral_residual

WIDTH, DEPTH = 3, 3
"""Chains that are mixed, and the most operations of each."""
PLACES = 2
"""Most boxes inside which an operation of their own is used."""


class ObjectAwareMix:
    """A mixture of chains of operations, gentler on objects that stand out.

    Every operation of a chain acts on the whole picture, and another one inside each of up to two boxes drawn at
    random. Chains are mixed by weights of a Dirichlet(1), and the mixture with the picture by a weight of a Beta(1, 1):
    that of an object's box is multiplied by one minus its saliency, relative to the most salient object's. AugMix's
    operations without its geometric ones; their strengths are our own, stronger than AugMix at its level 3.
    """

    def __init__(self, severity: float) -> None:
        self.severity = severity

    def __call__(self, pixels: Pixels, boxes: Boxes, random: np.random.Generator) -> Pixels:
        """An `ImageLever`."""
        weights = random.dirichlet(np.ones(WIDTH)).astype(np.float32)
        mixed = np.zeros(pixels.shape, np.float32)
        for weight in weights:
            chain = Image.fromarray(pixels)
            for _ in range(random.integers(1, DEPTH + 1)):
                chain = self._step(chain, random)
            mixed += weight * np.asarray(chain, dtype=np.float32)
        share = np.full(pixels.shape[:2], random.beta(1, 1), np.float32)
        saliencies = saliency_of(spectral_residual(pixels), boxes, pixels.shape[:2])
        most = max(saliencies, default=0.0) or 1.0
        gentle = np.ones_like(share)
        for (x1, y1, x2, y2), saliency in zip(boxes.astype(int), saliencies, strict=True):
            inside = gentle[y1 : y2 + 1, x1 : x2 + 1]
            np.minimum(inside, 1 - saliency / most, out=inside)
        share = (share * gentle)[..., None]
        blended: Pixels = np.clip(pixels + share * (mixed - pixels) + 0.5, 0, 255).astype(np.uint8)
        return blended

    def _step(self, image: Image.Image, random: np.random.Generator) -> Image.Image:
        changed = self._operation(image, random)
        for _ in range(random.integers(PLACES + 1)):
            width, height = (max(int(side * random.uniform(0.1, 0.5)), 1) for side in image.size)
            x, y = (int(random.integers(s - o + 1)) for s, o in zip(image.size, (width, height), strict=True))
            changed.paste(self._operation(image.crop((x, y, x + width, y + height)), random), (x, y))
        return changed

    def _operation(self, image: Image.Image, random: np.random.Generator) -> Image.Image:
        operation = OPERATIONS[int(random.integers(len(OPERATIONS)))]
        return operation(image, float(random.uniform(0.1, 1)) * self.severity, bool(random.integers(2)))


Operation = Callable[[Image.Image, float, bool], Image.Image]
"""A picture, how strongly (about 0 to 1 by default), and in which of two directions."""


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    def enhance(image: Image.Image, strength: float, up: bool) -> Image.Image:
        return kind(image).enhance(1 + 0.8 * strength if up else 1 / (1 + 1.5 * strength))

    return enhance


def _autocontrast(image: Image.Image, strength: float, up: bool) -> Image.Image:
    return ImageOps.autocontrast(image, cutoff=2 * strength if up else 0)


def _equalize(image: Image.Image, strength: float, up: bool) -> Image.Image:
    return ImageOps.equalize(image)


def _posterize(image: Image.Image, strength: float, up: bool) -> Image.Image:
    return ImageOps.posterize(image, max(4 - int(2 * strength), 1))


def _solarize(image: Image.Image, strength: float, up: bool) -> Image.Image:
    return ImageOps.solarize(image, max(256 - int(96 * strength), 1))


OPERATIONS: tuple[Operation, ...] = (
    _autocontrast,
    _equalize,
    _posterize,
    _solarize,
    *(_enhanced(kind) for kind in (ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Brightness)),
    _enhanced(ImageEnhance.Sharpness),
)
"""AugMix's operations that leave every object in its place, and its four extra ones."""
