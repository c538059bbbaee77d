"""Which images are changed, and by which lever: one draw from the sample's own generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from clipgap.classes import make_lever, said
from clipgap.config import DIVERSIFY, DiversifyConfig
from clipgap.errors import ClipgapError, ConfigError

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]


class ImageLever(Protocol):
    """One way to change an image: a class that is made with `severity` alone, and called with an image."""

    def __call__(self, pixels: Pixels, boxes: Boxes, random: np.random.Generator) -> Pixels:
        """Pixels (H, W, 3) of RGB and its objects' boxes (N, 4) xyxy -> pixels of the same shape, all drawn from
        `random`. Neither argument is written to."""
        ...


class Diversifier:
    """Changes an image with a probability, by one of its levers, drawn uniformly, or by several in turn."""

    def __init__(self, levers: Sequence[ImageLever], probability: float, depth: int = 1) -> None:
        self.levers, self.probability, self.depth = tuple(levers), probability, depth

    def __call__(self, image: Image.Image, boxes: Tensor, generator: torch.Generator) -> Image.Image:
        """An RGB picture and its boxes (N, 4) -> the picture, changed or not; `generator` is the sample's own.

        Raises:
            ConfigError: a lever gave something else than pixels of the picture's size.
        """
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        random = np.random.default_rng(seed)
        if random.random() >= self.probability:
            return image
        pixels: Pixels = np.asarray(image)
        for _ in range(self.depth):
            lever = self.levers[int(random.integers(len(self.levers)))]
            pixels = _changed(lever, pixels, boxes.numpy(), random)
        return Image.fromarray(pixels)


def _changed(lever: ImageLever, pixels: Pixels, boxes: Boxes, random: np.random.Generator) -> Pixels:
    kind = f"{type(lever).__module__}:{type(lever).__name__}"
    try:
        changed = lever(pixels, boxes, random)
    except ClipgapError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's lever may fail in any way)
        raise ConfigError(f"diversify.kinds: {kind} failed ({said(error)})") from None
    if not isinstance(changed, np.ndarray):
        raise ConfigError(f"diversify.kinds: {kind} gave {type(changed).__name__}, not the pixels of an image")
    if changed.shape != pixels.shape or changed.dtype != np.uint8:
        made = f"{changed.shape} of {changed.dtype}"
        raise ConfigError(f"diversify.kinds: {kind} made {made} of an image {pixels.shape} of uint8")
    return changed


def make_diversifier(config: DiversifyConfig) -> Diversifier | None:
    """What the settings ask for; None where they name no lever.

    Raises:
        ConfigError: a class of the user's own that cannot be imported or made.
    """
    if not config.kinds:
        return None
    levers = [make_lever(DIVERSIFY.get(kind, kind), "diversify.kinds", config.severity) for kind in config.kinds]
    return Diversifier(levers, config.probability, config.depth)
