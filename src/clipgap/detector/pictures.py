"""Pictures in every form that `predict` takes, and detections in the form that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from clipgap.config import ImageConfig
from clipgap.data import read_image, resize_size, to_tensor
from clipgap.detector.rpn import not_empty
from clipgap.errors import DataError

if TYPE_CHECKING:
    import supervision

ImageLike = str | Path | Image.Image | npt.NDArray[np.uint8]


def to_supervision(found: dict[str, Tensor], classes: Sequence[str], score: float = 0.0) -> supervision.Detections:
    """torchvision's result for one image as `supervision.Detections`, of at least a score."""
    import supervision

    found = {key: value[found["scores"] >= score] for key, value in found.items()}
    class_id = found["labels"].cpu().numpy() - 1
    return supervision.Detections(
        xyxy=found["boxes"].cpu().numpy(),
        confidence=found["scores"].cpu().numpy(),
        class_id=class_id,
        data={"class_name": np.array(classes)[class_id]},
    )


def in_original(found: dict[str, Tensor], seen: Sequence[int], original: tuple[int, int]) -> dict[str, Tensor]:
    """torchvision's result for a resized image in the pixels of its original, without boxes that are empty there.

    Args:
        found: `boxes`, `scores`, `labels`.
        seen: (height, width) of the resized image.
        original: the same of the original.
    """
    scale = found["boxes"].new_tensor([original[1] / seen[1], original[0] / seen[0]] * 2)
    boxes = clip_boxes_to_image(found["boxes"] * scale, original)
    keep = not_empty(boxes)
    return {key: value[keep] for key, value in (found | {"boxes": boxes}).items()}


def as_seen(image: ImageLike, config: ImageConfig) -> tuple[Tensor, tuple[int, int]]:
    """A picture as `detect` takes it, (3, H, W) in [0, 1], and the original's (height, width)."""
    picture = as_picture(image)
    size = (picture.height, picture.width)
    height, width = resize_size(*size, config.short_side, config.long_side)
    return to_tensor(picture.resize((width, height), Image.Resampling.BILINEAR)), size


def as_picture(image: ImageLike) -> Image.Image:
    """The RGB picture that `predict` was given, in whichever form.

    Raises:
        DataError: a file that is no image, an array of another shape, or something else altogether.
    """
    if isinstance(image, str | Path):
        return read_image(Path(image))
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    if not isinstance(image, np.ndarray):
        kinds = "a file's path, a PIL picture, an RGB array (H, W, 3) of uint8, or a list of these"
        raise DataError(f"predict takes {kinds}; got {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise DataError(f"expected an RGB array (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
    return Image.fromarray(image)
