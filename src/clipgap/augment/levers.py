"""What all levers of features have in common, and where in the trunk they act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from clipgap.augment.offsets import OffsetFeatures
from clipgap.augment.sometimes import Sometimes
from clipgap.augment.statistics import Cells
from clipgap.classes import said
from clipgap.clip import Trunk
from clipgap.errors import ConfigError
from clipgap.group import Group


class FeatureLever(Protocol):
    """One way to move features in training: an `nn.Module` that is made with its probability alone."""

    def __call__(self, features: Tensor, generator: torch.Generator, cells: Cells | None = None) -> Tensor:
        """Features (N, C, h, w) -> the same shape, all drawn from `generator` (the CPU's); `cells` are every image's
        (rows, columns) without its padding."""
        ...


@dataclass(frozen=True)
class Placed:
    """A lever and the part of the trunk whose output it moves; None: the C4 features."""

    lever: nn.Module
    layer: str | None


class FeatureAugmentation(nn.Module):
    """All levers of a run, in the order in which they act."""

    def __init__(self, placed: Sequence[Placed]) -> None:
        super().__init__()
        self.layers = [one.layer for one in placed]
        self.levers = nn.ModuleList([one.lever for one in placed])

    @property
    def offsets(self) -> OffsetFeatures | None:
        """The semantic augmentations, where they are among the levers."""
        return next((lever for lever in self.levers if isinstance(lever, OffsetFeatures)), None)

    def join(self, group: Group) -> None:
        """Draw as one process that has the images of all of a group would; levers of the user's own are left alone."""
        for lever in self.levers:
            if isinstance(lever, Sometimes):
                lever.group = group

    def attach(self, transform: nn.Module, trunk: Trunk, generator: torch.Generator) -> None:
        """Let the levers move what a detector's trunk makes of its images, in training only; `generator` draws.

        Args:
            transform: what makes the batch: its output's `image_sizes` are the images' own.
            trunk: the backbone, with its parts as children.
            generator: of the CPU.
        """
        batch: list[Any] = []  # the one in the trunk; CLIP's own trunk, which shares the parts, has none

        def note(part: nn.Module, _: Any, output: tuple[Any, Any]) -> None:
            batch[:] = [output[0]] if part.training else []

        def move(lever: nn.Module) -> Any:
            def moved(part: nn.Module, _: Any, features: Tensor) -> Tensor | None:
                if not (part.training and batch):
                    return None
                return moved_by(lever, features, generator, _cells(batch[0], features))

            return moved

        def finish(part: nn.Module, _: Any, features: Tensor) -> Tensor | None:
            if not part.training:
                return None
            cells = [(trunk.cells(h), trunk.cells(w)) for h, w in batch.pop().image_sizes] if batch else None
            for lever, layer in zip(self.levers, self.layers, strict=True):
                if layer is None:
                    features = moved_by(lever, features, generator, cells)
            return features

        transform.register_forward_hook(note)
        for lever, layer in zip(self.levers, self.layers, strict=True):
            if layer is not None:
                getattr(trunk, layer).register_forward_hook(move(lever))
        trunk.register_forward_hook(finish)


def moved_by(lever: nn.Module, features: Tensor, generator: torch.Generator, cells: Cells | None) -> Tensor:
    """What a lever makes of features.

    Raises:
        ConfigError: it fails, or gives something else than features of the same shape and type.
    """
    kind = f"augment.kind: {type(lever).__module__}:{type(lever).__name__}"
    try:
        moved = lever(features, generator, cells)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's lever may fail in any way)
        raise ConfigError(f"{kind} failed ({said(error)})") from None
    if not isinstance(moved, Tensor):
        raise ConfigError(f"{kind} gave {type(moved).__name__}, not features")
    if (moved.shape, moved.dtype) != (features.shape, features.dtype):
        wanted = f"{tuple(features.shape)} of {features.dtype}"
        raise ConfigError(f"{kind} made {tuple(moved.shape)} of {moved.dtype} of features {wanted}")
    return moved


def _cells(batch: Any, features: Tensor) -> list[tuple[int, int]]:
    """Every image's share of a map's rows and columns, as of the batch's pixels."""
    rows, columns = features.shape[2:]
    height, width = batch.tensors.shape[2:]
    return [(max(h * rows // height, 1), max(w * columns // width, 1)) for h, w in batch.image_sizes]
