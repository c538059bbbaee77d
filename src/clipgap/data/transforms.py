"""From images as they are read to what the model takes: resize, flip, crop. Resizing is PIL's, on 8-bit RGB."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from PIL.Image import Resampling, Transpose
from torch import Tensor
from torchvision.transforms.functional import InterpolationMode
from torchvision.transforms.functional import resize as resize_tensor

from clipgap.data.dataset import Sample, Target


def resize_size(h: int, w: int, short_side: int, long_side: int) -> tuple[int, int]:
    """Height and width after the short side is made `short_side`, or the long one `long_side` where it would be longer.

    Rounded as the authors' loader does, halves up: 720 x 1280 at 600 and 1333 gives 600 x 1067.
    """
    scale = short_side / min(h, w)
    # The short side is set, not multiplied: in floating point only so it is exactly short_side.
    new_h, new_w = (float(short_side), scale * w) if h < w else (scale * h, float(short_side))
    if max(new_h, new_w) > long_side:
        scale = long_side / max(new_h, new_w)
        new_h, new_w = new_h * scale, new_w * scale
    return max(int(new_h + 0.5), 1), max(int(new_w + 0.5), 1)


def resize(sample: Sample, short_side: int, long_side: int) -> Sample:
    """Resize an image (bilinear, antialiased) to `resize_size`, and its boxes with it."""
    w, h = sample.image.size
    new_h, new_w = resize_size(h, w, short_side, long_side)
    scale = torch.tensor([new_w / w, new_h / h, new_w / w, new_h / h])
    image = sample.image.resize((new_w, new_h), Resampling.BILINEAR)
    return _with_boxes(sample, image, sample.target["boxes"] * scale)


def flip(sample: Sample) -> Sample:
    """Mirror an image and its boxes, left to right."""
    x1, y1, x2, y2 = sample.target["boxes"].unbind(1)
    boxes = torch.stack([sample.image.width - x2, y1, sample.image.width - x1, y2], dim=1)
    return _with_boxes(sample, sample.image.transpose(Transpose.FLIP_LEFT_RIGHT), boxes)


def to_bytes(image: Image.Image) -> Tensor:
    """An RGB image as uint8 (3, H, W): a quarter of what `to_tensor` gives, on the way to a device."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB image as float32 (3, H, W) in [0, 1]."""
    return as_numbers(to_bytes(image))


def as_numbers(image: Tensor) -> Tensor:
    """Bytes as float32 in [0, 1]; numbers as they are."""
    return image.float().div_(255) if image.dtype == torch.uint8 else image


def random_crop(image: Image.Image, side: int, generator: torch.Generator) -> Image.Image:
    """A square crop at a uniformly drawn place; its side is `side`, or the image's short side where that is less."""
    side = min(side, *image.size)
    x, y = (int(torch.randint(length - side + 1, (), generator=generator)) for length in image.size)
    return image.crop((x, y, x + side, y + side))


def resize_square(image: Image.Image, side: int, antialias: bool = True) -> Image.Image:
    """An image resized (bilinear) to `side` x `side`, whatever its shape.

    Without antialiasing every pixel is interpolated between its four nearest, however much the image shrinks: what the
    authors' resizing of uint8 tensors does (METHOD, section 3).
    """
    if antialias:
        return image.resize((side, side), Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    resized = resize_tensor(pixels, [side, side], InterpolationMode.BILINEAR, antialias=False)
    return Image.fromarray(resized.permute(1, 2, 0).numpy())


def _with_boxes(sample: Sample, image: Image.Image, boxes: Tensor) -> Sample:
    target: Target = {**sample.target, "boxes": boxes}
    return Sample(image, target)
