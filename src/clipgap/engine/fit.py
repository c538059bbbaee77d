"""Step one: fit the semantic augmentations to the target prompts, from source images and words alone (METHOD, 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from clipgap.augment import Losses, SemanticAugmentations, destination, directions, prompt_losses
from clipgap.clip import IMAGE_MEAN, IMAGE_STD, Clip, fold_roi_part, fold_trunk, halve, load_clip, set_batch_norm
from clipgap.config import BatchNorm, FitConfig, ImageConfig, RunConfig
from clipgap.data import DetectionDataset, Domain, Sample, load_domains, random_crop, resize, resize_square, to_tensor
from clipgap.data import flip as flip_sample
from clipgap.data.stream import SampleStream
from clipgap.engine.runtime import Report, pick_device, progress_bar
from clipgap.errors import DataError, TrainingError
from clipgap.files import require_new, write_then_rename
from clipgap.prompts import PromptSet

Begun = tuple[Tensor, Tensor]
"""What layer4 begins with, linearly: `RoiPart.begin`, the second part halved."""
JUDGE_EVERY = 10
"""Steps between two looks at the held-out crops, where `fit.patience` asks for them."""
SAVE_EVERY = 50
"""Steps between two saves of the half-done offsets, for `--resume`."""


@dataclass(frozen=True)
class MakeCrops:
    """Random square crops of a resized, perhaps flipped image, at CLIP's input size (METHOD, section 3)."""

    fit: FitConfig
    image: ImageConfig
    size: int

    def __call__(self, sample: Sample, generator: torch.Generator) -> Tensor:
        """One sample -> crops (crops_per_image, 3, size, size), normalised."""
        sample = resize(sample, self.image.short_side, self.image.long_side)
        if float(torch.rand((), generator=generator)) < self.fit.flip:
            sample = flip_sample(sample)
        crops = [random_crop(sample.image, self.fit.crop_side, generator) for _ in range(self.fit.crops_per_image)]
        tensors = torch.stack([to_tensor(resize_square(crop, self.size)) for crop in crops])
        return cast(Tensor, normalize(tensors, IMAGE_MEAN, IMAGE_STD))


class Fitter:
    """The offsets, what they are fitted to, and one step of fitting them.

    The text embeddings are computed once, z once a batch; CLIP's own weights never get a gradient. Always float32.
    """

    def __init__(
        self, clip: Clip, prompts: PromptSet, batch_norm: BatchNorm, config: FitConfig, device: torch.device
    ) -> None:
        self.clip = clip.to(device)
        set_batch_norm(clip.model.visual, batch_norm)
        frozen = batch_norm == "frozen"
        self.trunk = (fold_trunk(clip.trunk) if frozen else clip.trunk).to(memory_format=torch.channels_last)
        self.roi_part = (fold_roi_part(clip.roi_part) if frozen else clip.roi_part).to(
            memory_format=torch.channels_last
        )
        embeddings = clip.embed_text([prompts.source, *prompts.targets])
        self.directions = directions(embeddings[0], embeddings[1:])
        side = clip.spec.tower.roi_size if config.offsets == "map" else 1
        shape = (clip.spec.tower.c4_channels, side, side)
        self.offsets = [nn.Parameter(torch.zeros(shape, device=device)) for _ in prompts.targets]
        self.optimizer = torch.optim.Adam(self.offsets, lr=config.lr)

    def step(self, crops: Tensor) -> Losses:
        """Move every offset once; the two losses, each the mean over prompts, before the move."""
        begun, z = self.embed(crops)
        total = Losses(torch.zeros((), device=z.device), torch.zeros((), device=z.device))
        for offset, direction in zip(self.offsets, self.directions, strict=True):
            losses = prompt_losses(self._finish(begun, offset), z, direction)
            # One graph at a time: M of them would not fit. The authors' divisor counts the source prompt too.
            loss = (losses.direction + losses.l1) / (len(self.offsets) + 1)
            (offset.grad,) = torch.autograd.grad(loss, [offset])
            total = Losses(*(kept + new.detach() for kept, new in zip(total, losses, strict=True)))
        self.optimizer.step()
        return Losses(*(loss / len(self.offsets) for loss in total))

    @torch.no_grad()
    def embed(self, crops: Tensor) -> tuple[Begun, Tensor]:
        """What layer4 begins with of the crops' C4 features, and their unit image embeddings z."""
        begun = self._begin(self.trunk(crops.to(self.directions.device)))
        return begun, F.normalize(self.roi_part.finish(*begun)[0], dim=-1)

    @torch.no_grad()
    def pooled_objective(self, begun: Begun, z: Tensor) -> float:
        """The objective of crops (`embed`) with what step two uses of the offsets, their spatial means alone."""
        total = 0.0
        for offset, direction in zip(self.offsets, self.directions, strict=True):
            total += float(sum(prompt_losses(self._finish(begun, offset.mean((1, 2), keepdim=True)), z, direction)))
        return total / len(self.offsets)

    @torch.no_grad()
    def judge(self, crops: Tensor) -> list[dict[str, float]]:
        """For every prompt the mean cosine to z*_j: without offset, with A_j, and with its spatial mean alone."""
        begun, z = self.embed(crops)
        rows = []
        for offset, direction in zip(self.offsets, self.directions, strict=True):
            goal = destination(z, direction)
            forms = {"before": torch.zeros_like(offset), "after": offset, "pooled": offset.mean((1, 2), keepdim=True)}
            row = {}
            for name, form in forms.items():
                row[name] = float((self._finish(begun, form) * goal).sum(-1).mean())
            rows.append(row)
        return rows

    def _begin(self, features: Tensor) -> Begun:
        main, shortcut = self.roi_part.begin(features)
        return main, halve(shortcut)

    def _finish(self, begun: Begun, offset: Tensor) -> Tensor:
        """Unit image embeddings of features + offset: what is linear is done once for the features, once for A_j."""
        side = self.clip.spec.tower.roi_size
        moved = (one + shift for one, shift in zip(begun, self._begin(offset.expand(1, -1, side, side)), strict=True))
        return F.normalize(self.roi_part.finish(*moved)[0], dim=-1)


def fit(
    config: RunConfig, out: str | Path | None = None, *, resume: bool = False, show: bool = True
) -> SemanticAugmentations:
    """Fit the offsets that a run config describes; write them to `out` where one is given.

    Raises:
        ClipgapError: prompts, data, CLIP or settings that cannot be used; a loss that is not finite.
    """
    out = Path(out) if out else None
    if out:
        require_new(out, "--out")
    device = pick_device(config.run)
    prompts = PromptSet.from_config(config.data.prompts)
    clip = load_clip(config.clip)
    weights_hash = clip.weights_hash  # before BatchNorm in train mode moves its averages
    dataset = training_set(load_domains(config.data).source)
    fitter = Fitter(clip, prompts, config.batch_norm, config.fit, device)
    state = _HalfDone(out, config, weights_hash)
    if not resume:
        state.require_new()
    first = state.restore(fitter) if resume else 0
    held_out = next(crop_batches(dataset, config, clip, first=config.fit.steps, last=config.fit.steps + 1))
    with progress_bar("fit", config.fit.steps, first, show) as report:
        losses = _run(fitter, dataset, held_out, config, first, state, report)
    record = {
        "settings": {"fit": config.fit.model_dump(), "image": config.image.model_dump()},
        "batch_norm": config.batch_norm,
        "seed": config.run.seed,
        "direction_loss": losses.get("direction"),
        "l1_loss": losses.get("l1"),
        "steps": losses.get("steps"),
        "pooled_objective": fitter.pooled_objective(*fitter.embed(held_out)),
        "cosines": fitter.judge(held_out),
        "clip": str(clip),
    }
    offsets = torch.stack([offset.detach().cpu() for offset in fitter.offsets])
    augmentations = SemanticAugmentations(offsets, prompts, clip.name, weights_hash, record)
    if out:
        augmentations.save(out)
        state.remove()
    return augmentations


def training_set(source: Domain) -> DetectionDataset:
    """The split that both steps learn from.

    Raises:
        DataError: the data file names none, or it has faults.
    """
    if source.train is None:
        raise DataError(f"domain {source.name}: no split to train on; give `train` in the data file")
    return source.train


def crop_batches(dataset: DetectionDataset, config: RunConfig, clip: Clip, first: int, last: int) -> Iterator[Tensor]:
    """Crops (images_per_step * crops_per_image, 3, S, S) of the steps `first` to `last - 1`."""
    make = MakeCrops(config.fit, config.image, clip.spec.tower.image_size)
    stream = SampleStream(
        dataset, make, seed=config.run.seed, batch_size=config.fit.images_per_step, first=first, last=last
    )
    return cast(Iterator[Tensor], stream.batches(config.run.workers if last - first > 1 else 0, torch.cat))


def _run(
    fitter: Fitter,
    dataset: DetectionDataset,
    held_out: Tensor,
    config: RunConfig,
    first: int,
    state: _HalfDone,
    report: Report,
) -> dict[str, float]:
    figures: dict[str, float] = {}
    judged = fitter.embed(held_out) if config.fit.patience else None
    batches = crop_batches(dataset, config, fitter.clip, first, config.fit.steps)
    for step, crops in enumerate(batches, start=first):
        losses = fitter.step(crops)
        figures = {"direction": float(losses.direction), "l1": float(losses.l1)}
        broken = [name for name, value in figures.items() if not torch.isfinite(torch.tensor(value))]
        if broken:
            raise TrainingError(f"fit, step {step + 1}: the {broken[0]} loss is not finite; lower fit.lr")
        report(**figures)
        figures["steps"] = step + 1
        if judged and (step + 1) % JUDGE_EVERY == 0:
            state.objectives.append(fitter.pooled_objective(*judged))
            if _has_stopped_falling(state.objectives, config.fit.patience // JUDGE_EVERY):
                break
        if (step + 1) % SAVE_EVERY == 0 and step + 1 < config.fit.steps:
            state.save(fitter, step + 1)
    return figures


def _has_stopped_falling(values: list[float], patience: int) -> bool:
    """Whether none of the last `patience` values, at least one, is below all before them."""
    patience = max(patience, 1)
    return len(values) > patience and min(values[-patience:]) >= min(values[:-patience])


class _HalfDone:
    """The file beside `out` that lets an interrupted fit go on."""

    def __init__(self, out: Path | None, config: RunConfig, weights_hash: str) -> None:
        self.path = out.with_name(f"{out.name}.resume") if out else None
        relevant = config.model_dump(mode="json", include={"data", "image", "fit", "batch_norm", "run"})
        relevant["run"] = relevant["run"]["seed"]
        self.settings: dict[str, Any] = relevant | {"weights": weights_hash}
        self.objectives: list[float] = []
        """Of the pooled offsets on held-out crops, every `JUDGE_EVERY` steps."""

    def require_new(self) -> None:
        if self.path and self.path.exists():
            raise DataError(f"{self.path}: a fit was begun; --resume goes on with it, or remove the file")

    def save(self, fitter: Fitter, step: int) -> None:
        if self.path:
            content = {
                "settings": repr(self.settings),
                "step": step,
                "objectives": self.objectives,
                "offsets": [offset.detach() for offset in fitter.offsets],
                "optimizer": fitter.optimizer.state_dict(),
            }
            write_then_rename(self.path, lambda path: torch.save(content, path))

    def restore(self, fitter: Fitter) -> int:
        if not self.path or not self.path.is_file():
            raise DataError(f"--resume: nothing to resume ({self.path} is not there); leave --resume out")
        try:
            content = torch.load(self.path, map_location=fitter.directions.device, weights_only=True)
        except Exception as error:  # noqa: BLE001 (a damaged file makes the reader stumble in every way)
            raise DataError(f"{self.path}: damaged ({type(error).__name__}); remove it and begin again") from None
        if content["settings"] != repr(self.settings):
            raise DataError(f"--resume: {self.path} was begun with other settings; use those, or move it away")
        for offset, saved in zip(fitter.offsets, content["offsets"], strict=True):
            offset.data.copy_(saved)
        fitter.optimizer.load_state_dict(content["optimizer"])
        self.objectives = content["objectives"]
        return int(content["step"])

    def remove(self) -> None:
        if self.path:
            self.path.unlink(missing_ok=True)
