"""The offsets of step one, the crops they are fitted on, and one step of fitting them (METHOD, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from clipgap.augment import Losses, destination, directions, prompt_losses, scale_deviation
from clipgap.clip import Backbone, Clip, TowerSpec, halve, set_batch_norm
from clipgap.config import BatchNorm, FitConfig, ImageConfig, RunConfig
from clipgap.data import DetectionDataset, Sample, random_crop, resize, resize_square, to_tensor
from clipgap.data import flip as flip_sample
from clipgap.data.stream import SampleStream, generator_for
from clipgap.errors import ConfigError
from clipgap.group import ALONE, Group
from clipgap.prompts import PromptSet

Begun = tuple[Tensor, ...]
"""What layer4 begins with, linearly: `RoiPart.begin`, `halved` where that says so."""


@dataclass(frozen=True)
class MakeCrops:
    """Random square crops of a resized, perhaps flipped image, at the tower's input size (METHOD, section 3)."""

    fit: FitConfig
    image: ImageConfig
    tower: TowerSpec

    def __call__(self, sample: Sample, generator: torch.Generator) -> Tensor:
        """One sample -> crops (crops_per_image, 3, S, S), normalised."""
        size = self.tower.image_size
        sample = resize(sample, self.image.short_side, self.image.long_side)
        if float(torch.rand((), generator=generator)) < self.fit.flip:
            sample = flip_sample(sample)
        crops = [random_crop(sample.image, self.fit.crop_side, generator) for _ in range(self.fit.crops_per_image)]
        tensors = torch.stack([to_tensor(resize_square(crop, size, self.fit.antialias)) for crop in crops])
        return cast(Tensor, normalize(tensors, list(self.tower.mean), list(self.tower.std)))


class Seen(NamedTuple):
    """What is the same for every prompt of a batch of crops."""

    features: Tensor
    """C4 features (N, C, h, w)."""
    begun: Begun
    z: Tensor
    """Unit image embeddings (N, D)."""


class Fitter:
    """The offsets, what they are fitted to, and one step of fitting them.

    The text embeddings are computed once, z once a batch; CLIP's own weights never get a gradient.
    """

    def __init__(
        self,
        clip: Clip,
        prompts: PromptSet,
        batch_norm: BatchNorm,
        config: FitConfig,
        device: torch.device,
        half: bool = False,
        group: Group = ALONE,
    ) -> None:
        """`half`: multiply in bfloat16 where autocast does; offsets, embeddings and losses stay float32. Of a `group`
        every process has its share of the crops."""
        self.clip, self.half, self.group = clip.to(device), half, group
        set_batch_norm(clip.model.visual, batch_norm)
        frozen = batch_norm == "frozen"
        self.trunk = (clip.trunk.folded() if frozen else clip.trunk).to(memory_format=torch.channels_last)
        roi_part = clip.roi_part.folded().requires_grad_(False) if frozen else clip.roi_part
        self.roi_part = roi_part.to(memory_format=torch.channels_last)
        embeddings = clip.embed_text([prompts.source, *prompts.targets])
        self.directions = directions(embeddings[0], embeddings[1:])
        channels = clip.spec.tower.c4_channels
        side = clip.spec.tower.roi_size if config.offsets == "map" else 1
        self.offsets = [nn.Parameter(torch.zeros(channels, side, side, device=device)) for _ in prompts.targets]
        scaled = prompts.targets if config.offsets == "deviation" else ()
        self.log_scales = [nn.Parameter(torch.zeros(channels, 1, 1, device=device)) for _ in scaled]
        self.parameters = [*self.offsets, *self.log_scales]
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.lr)

    def step(self, crops: Tensor, chosen: Sequence[int] | None = None) -> Losses:
        """Move the offsets of the `chosen` prompts (all by default) once; the mean losses before the move."""
        return self.move(self.embed(crops), chosen)

    def move(self, seen: Seen, chosen: Sequence[int] | None = None) -> Losses:
        """`step`, of crops that were embedded before."""
        chosen = range(len(self.offsets)) if chosen is None else chosen
        total = Losses(torch.zeros((), device=seen.z.device), torch.zeros((), device=seen.z.device))
        self.optimizer.zero_grad()
        for j in chosen:
            parameters = [self.offsets[j], *self.log_scales[j : j + 1]]
            losses = prompt_losses(self._land(seen, *parameters), seen.z, self.directions[j])
            # One graph at a time: M of them would not fit. The authors' divisor counts the source prompt too.
            loss = (losses.direction + losses.l1) / (len(self.offsets) + 1)
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            self.group.average(cast(Tensor, parameter.grad) for parameter in parameters)
            total = Losses(*(kept + new.detach() for kept, new in zip(total, losses, strict=True)))
        self.group.average(total)
        self.optimizer.step()
        return Losses(*(loss / len(chosen) for loss in total))

    @property
    def scales(self) -> Tensor | None:
        """Factors on every channel's deviation (M, C), where they are fitted."""
        return (
            torch.cat([scale.detach().exp().reshape(1, -1) for scale in self.log_scales]) if self.log_scales else None
        )

    def is_finite(self) -> bool:
        """Whether all that is fitted still is numbers."""
        fitted = [*self.parameters, *(scale.exp() for scale in self.log_scales)]
        return all(bool(tensor.isfinite().all()) for tensor in fitted)

    def embed(self, crops: Tensor) -> Seen:
        """What the trunk and V_b make of crops (N, 3, S, S), without offsets."""
        return self.look(self.features(crops))

    @torch.no_grad()
    def features(self, crops: Tensor) -> Tensor:
        """C4 features (N, C, h, w) of crops (N, 3, S, S)."""
        with self._precision():
            features: Tensor = self.trunk(crops.to(self.directions.device))
        return features

    @torch.no_grad()
    def look(self, features: Tensor) -> Seen:
        """What V_b makes of C4 features (N, C, h, w), without offsets."""
        features = features.to(self.directions.device)
        with self._precision():
            begun = self._begin(features)
            z = self.roi_part.finish(*begun)[0]
        return Seen(features, begun, F.normalize(z.float(), dim=-1))

    @torch.no_grad()
    def pooled_objective(self, seen: Seen) -> float:
        """The objective of crops (`embed`) with what step two uses of the offsets, their spatial means alone."""
        total = 0.0
        for j, direction in enumerate(self.directions):
            pooled = self.offsets[j].mean((1, 2), keepdim=True)
            landed = self._land(seen, pooled, *self.log_scales[j : j + 1])
            total += float(sum(prompt_losses(landed, seen.z, direction)))
        return total / len(self.offsets)

    @torch.no_grad()
    def judge(self, crops: Tensor) -> list[dict[str, float]]:
        """For every prompt the mean cosine to z*_j: without offset, with A_j, and with its spatial mean alone."""
        seen = self.embed(crops)
        rows = []
        for j, direction in enumerate(self.directions):
            goal, offset, scale = destination(seen.z, direction), self.offsets[j], self.log_scales[j : j + 1]
            landed = {
                "before": seen.z,
                "after": self._land(seen, offset, *scale),
                "pooled": self._land(seen, offset.mean((1, 2), keepdim=True), *scale),
            }
            rows.append({name: float((where * goal).sum(-1).mean()) for name, where in landed.items()})
        return rows

    def _begin(self, features: Tensor) -> Begun:
        begun = self.roi_part.begin(features)
        return tuple(halve(one) if half else one for one, half in zip(begun, self.roi_part.halved, strict=True))

    def _land(self, seen: Seen, offset: Tensor, log_scale: Tensor | None = None) -> Tensor:
        """zbar (N, D): what is linear is done once for the features, where they are not scaled, once for A_j."""
        side = self.clip.spec.tower.roi_size
        with self._precision():
            begun = seen.begun
            if log_scale is not None:
                begun = self._begin(scale_deviation(seen.features, log_scale.exp()))
            shift = self._begin(offset.expand(1, -1, side, side))
            landed = self.roi_part.finish(*(one + moved for one, moved in zip(begun, shift, strict=True)))[0]
        return F.normalize(landed.float(), dim=-1)

    def _precision(self) -> AbstractContextManager[None]:
        return torch.autocast(self.directions.device.type, torch.bfloat16, enabled=self.half)


def make_fitter(
    clip: Clip, prompts: PromptSet, config: RunConfig, device: torch.device, group: Group = ALONE
) -> Fitter:
    """The fitter that a run config describes.

    Raises:
        ConfigError: a step shall move more prompts than there are.
    """
    if config.fit.prompts_per_step > len(prompts.targets):
        raise ConfigError(
            f"fit.prompts_per_step={config.fit.prompts_per_step}: there are {len(prompts.targets)} target prompts"
        )
    half = config.run.precision == "bf16-mixed"
    return Fitter(clip, prompts, config.batch_norm, config.fit, device, half, group)


def chosen_prompts(config: RunConfig, count: int, step: int) -> list[int]:
    """Which of `count` target prompts a step moves: all, or `fit.prompts_per_step` drawn anew for every step."""
    if not config.fit.prompts_per_step:
        return list(range(count))
    order = torch.randperm(count, generator=generator_for(config.run.seed, 5, step))
    return order[: config.fit.prompts_per_step].tolist()


def crop_batches(
    dataset: DetectionDataset, config: RunConfig, clip: Backbone, first: int, last: int, group: Group = ALONE
) -> Iterator[Tensor]:
    """Crops (images_per_step * crops_per_image, 3, S, S) of the steps `first` to `last - 1`; of several processes each
    has its share."""
    make = MakeCrops(config.fit, config.image, clip.tower_spec)
    stream = SampleStream(
        dataset,
        make,
        seed=config.run.seed,
        batch_size=config.fit.images_per_step // group.size,
        first=first,
        last=last,
        rank=group.rank,
        processes=group.size,
    )
    return cast(Iterator[Tensor], stream.batches(config.run.workers if last - first > 1 else 0, torch.cat))
