"""From resized images to one batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from clipgap.clip import TowerSpec
from clipgap.data import as_numbers
from clipgap.group import ALONE, Group


class Preprocess(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Normalises and pads to the largest image of the batch, with zeros after normalisation; never resizes."""

    def __init__(self, tower: TowerSpec, least_side: int) -> None:
        super().__init__(1, 1, list(tower.mean), list(tower.std), size_divisible=1)
        self.least_side = least_side
        self.group: Group = ALONE
        """In training: who has the other images of the batch."""

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        """The image as it is: the loader has resized it with PIL."""
        return image, target

    def normalize(self, image: Tensor) -> Tensor:
        """In place of the mean 0 and of the deviation 1; bytes are taken to [0, 1] first, on the device they are on."""
        normal: Tensor = super().normalize(as_numbers(image))
        return normal

    def batch_images(self, images: list[Tensor], size_divisible: int = 1) -> Tensor:
        """One batch (N, 3, H, W). A side that would leave layer4 without a cell is padded like any other."""
        short = [max(least - side, 0) for least, side in zip(self._least(images), images[0].shape[1:], strict=True)]
        first = F.pad(images[0], (0, short[1], 0, short[0]))
        batch: Tensor = super().batch_images([first, *images[1:]], size_divisible)
        return batch

    def _least(self, images: list[Tensor]) -> list[int]:
        """The height and width that the batch has at least: in training those of the others' images."""
        sizes = [[self.least_side] * 2]
        if self.training:
            sizes += self.group.exchange([max(image.shape[side] for image in images) for side in (1, 2)])
        return [max(sides) for sides in zip(*sizes, strict=True)]
