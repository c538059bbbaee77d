"""Step two: train the detector on source images whose features are moved by the semantic augmentations (METHOD, 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from clipgap.augment import OffsetFeatures
from clipgap.clip import load_clip
from clipgap.config import ImageConfig, RunConfig, TrainConfig
from clipgap.data import DetectionDataset, Domain, Sample, load_domains, resize, to_tensor
from clipgap.data import flip as flip_sample
from clipgap.data.stream import SampleStream, seed_for
from clipgap.detector import Detector, DetectorSpec
from clipgap.engine.augmentation import make_augmentation, move_features, refit
from clipgap.engine.compiled import compile_heads
from clipgap.engine.evaluate import score_split
from clipgap.engine.fit import training_set
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.runtime import log, make_fabric, progress_bar, tell_warnings
from clipgap.errors import ConfigError, TrainingError
from clipgap.weights import what_is_not_finite

Batch = tuple[list[Tensor], list[dict[str, Tensor]]]


@dataclass(frozen=True)
class MakeExample:
    """One training example: resized, perhaps flipped, without crowd regions."""

    image: ImageConfig
    flip: float

    def __call__(self, sample: Sample, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """A sample -> image (3, H, W) in [0, 1] and torchvision's target."""
        sample = resize(sample, self.image.short_side, self.image.long_side)
        if float(torch.rand((), generator=generator)) < self.flip:
            sample = flip_sample(sample)
        single = ~sample.target["iscrowd"]
        target = {"boxes": sample.target["boxes"][single], "labels": sample.target["labels"][single]}
        return to_tensor(sample.image), target


class Trainer:
    """Detector, optimiser and augmentation, and one step of training them."""

    def __init__(self, detector: Detector, config: TrainConfig, augment: OffsetFeatures | None, fabric: Fabric) -> None:
        self.detector, self.config, self.augment, self.fabric = detector, config, augment, fabric
        self.generator = torch.Generator()
        if augment is not None:
            augment.to(fabric.device)
            move_features(detector, augment, self.generator)
        trained = [parameter for parameter in detector.train().parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(trained, config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        self.model, self.optimizer = fabric.setup(detector, optimizer)

    def step(self, batch: Batch, seed: int) -> dict[str, float]:
        """One SGD step; the losses. All that is random in it comes from `seed`.

        Raises:
            TrainingError: a loss is not finite; the weights are left as they were.
        """
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)
        images, targets = batch
        losses = self.model(images, targets)
        figures = {name: float(loss.detach()) for name, loss in losses.items()}
        broken = [name for name, value in figures.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(f"{', '.join(broken)} not finite; lower train.lr, or look at the images of this step")
        self.optimizer.zero_grad()
        self.fabric.backward(sum(losses.values()))
        self.optimizer.step()
        return figures

    def require_finite(self) -> None:
        """Make sure, before the weights are scored or saved, that the last step has not broken them.

        Raises:
            TrainingError: some are not finite; says how many.
        """
        fault = what_is_not_finite(self.detector.state_dict())
        if fault:
            raise TrainingError(f"{fault}, and so are not saved; lower train.lr")

    def set_lr(self, step: int) -> float:
        """The learning rate of a step: `lr`, times `lr_gamma` for every one of `lr_steps` that is past."""
        lr = self.config.lr * self.config.lr_gamma ** sum(step >= mark for mark in self.config.lr_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        return lr

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint needs of this trainer."""
        offsets = self.augment.state_dict() if self.augment else {}
        return {
            "detector": self.detector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "offsets": offsets,
            "precision": self.fabric.strategy.precision.state_dict(),  # how 16-mixed scales its gradients
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken.

        Raises:
            ConfigError: it had other offsets.
        """
        self.detector.load_state_dict(state["detector"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state.get("precision"):
            self.fabric.strategy.precision.load_state_dict(state["precision"])
        if self.augment:
            mine = {name: tensor.shape for name, tensor in self.augment.state_dict().items()}
            if mine != {name: tensor.shape for name, tensor in state["offsets"].items()}:
                raise ConfigError("--resume: augment.file holds other offsets than the run was begun with; use those")
            self.augment.load_state_dict(state["offsets"])


@dataclass(frozen=True)
class Trained:
    """What a training run leaves: `path` is a Detector folder."""

    path: Path
    best: float | None
    """The kept weights' score on the source's validation split; None where there is none."""
    best_step: int | None
    main: bool
    """Whether this is the process that wrote it; the others know neither `best` nor `best_step`."""


def train(config: RunConfig, *, resume: bool = False, show: bool = True) -> Trained:
    """Train the detector that a run config describes; everything it leaves is in the run folder.

    Raises:
        ClipgapError: data, CLIP, offsets or settings that cannot be used; a loss or weight that is not finite.
    """
    fabric = make_fabric(config.run)
    fabric.launch()
    show = show and fabric.is_global_zero
    folder = RunFolder(config.run.out)
    if not resume:
        folder.require_new()  # every process looks, so that none is left waiting for one that has refused
    domains = load_domains(config.data)
    dataset = _checked_training_set(domains.source, show)
    clip = load_clip(config.clip)
    augment, offsets_from = make_augmentation(config, clip)
    spec = DetectorSpec(
        classes=config.data.classes,
        tower=clip.spec.tower,
        description=f"{clip}; {offsets_from}",
        batch_norm=config.batch_norm,
        image=config.image,
        detector=config.detector,
    )
    record = {"clip": str(clip), "clip_hash": clip.weights_hash, "offsets": offsets_from}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.run.seed, 2))
        detector = Detector.from_clip(clip, spec, config.data.prompts.class_template)
    detector = detector.to(memory_format=torch.channels_last)  # a tenth faster, on a CPU too
    checkpoint = folder.resume(config) if resume else None
    fabric.barrier()
    if not resume and fabric.is_global_zero:
        folder.begin(config, record)
    trainer = Trainer(detector, config.train, augment, fabric)
    again = partial(refit, augment, clip, dataset, config) if augment and config.augment.refit_every else None
    del clip
    if config.run.compile:
        with fabric.autocast():
            compile_heads(detector)
    if checkpoint:
        trainer.load_state(checkpoint)
    selection = _Selection(folder, domains.source, config, checkpoint, show) if fabric.is_global_zero else None
    _run(trainer, dataset, config, folder, selection, again, checkpoint["step"] if checkpoint else 0, show)
    best, best_step = (selection.best, selection.best_step) if selection else (None, None)
    return Trained(folder.path, best, best_step, fabric.is_global_zero)


def training_batches(
    dataset: DetectionDataset, config: RunConfig, first: int, rank: int = 0, processes: int = 1
) -> Iterator[Batch]:
    """The batches of the steps from `first` on, of one process."""
    stream = SampleStream(
        dataset,
        MakeExample(config.image, config.train.flip),
        seed=config.run.seed,
        batch_size=config.train.batch_size,
        first=first,
        last=config.train.steps,
        rank=rank,
        processes=processes,
    )
    return cast(Iterator[Batch], stream.batches(config.run.workers, _collate))


def _collate(examples: list[tuple[Tensor, dict[str, Tensor]]]) -> Batch:
    return [image for image, _ in examples], [target for _, target in examples]


def _checked_training_set(source: Domain, show: bool) -> DetectionDataset:
    dataset = training_set(source)
    _ = source.selection  # read now, so that a split that overlaps is refused before anything is written
    if show:
        tell_warnings(source.name, dataset)
    without = [name for name, count in dataset.boxes_per_class().items() if not count]
    if without and show:
        log.print(f"warning: no box of class {', '.join(without)} in {source.name}'s training split", style="yellow")
    return dataset


def _run(
    trainer: Trainer,
    dataset: DetectionDataset,
    config: RunConfig,
    folder: RunFolder,
    selection: _Selection | None,
    again: Callable[[int], None] | None,
    first: int,
    show: bool,
) -> None:
    fabric, settings = trainer.fabric, config.train
    batches = training_batches(dataset, config, first, fabric.global_rank, fabric.world_size)
    with progress_bar("train", settings.steps, first, show) as report:
        for step, (images, targets) in enumerate(batches, start=first):
            if again and step and step % config.augment.refit_every == 0:  # here, so that a resumed run does it too
                again(step)
                trainer.detector.train()
            done, lr = step + 1, trainer.set_lr(step)
            batch = fabric.to_device((images, targets))
            try:
                figures = trainer.step(batch, seed_for(config.run.seed, 4, step, fabric.global_rank))
                if done == settings.steps or 0 in (done % settings.validate_every, done % settings.checkpoint_every):
                    trainer.require_finite()
            except TrainingError as error:
                raise TrainingError(f"train, step {done}: {error}") from None
            report(loss=sum(figures.values()), **_short(figures))
            if selection is not None:
                if done % settings.log_every == 0 or done == settings.steps:
                    folder.log({"step": done, "lr": lr, **figures})
                if settings.validates(done):
                    selection.judge(trainer.detector, done)
                if done % settings.checkpoint_every == 0 or done == settings.steps:
                    folder.save_checkpoint({"step": done, **selection.state(), **trainer.state()})
            if settings.validates(done):
                fabric.barrier()


def _short(figures: dict[str, float]) -> dict[str, float]:
    names = {"loss_classifier": "cls", "loss_box_reg": "box", "loss_objectness": "rpn", "loss_rpn_box_reg": "rpn_box"}
    return {names[name]: value for name, value in figures.items()}


class _Selection:
    """Keeps the weights that do best on the source's validation split; the last ones where there is none."""

    def __init__(
        self, folder: RunFolder, source: Domain, config: RunConfig, checkpoint: dict[str, Any] | None, show: bool
    ) -> None:
        self.folder, self.config, self.show = folder, config, show
        self.source = source
        self.best: float | None = checkpoint["best"] if checkpoint else None
        self.best_step: int | None = checkpoint["best_step"] if checkpoint else None
        if source.selection is None and show:
            log.print(f"domain {source.name} has no validation split: the last weights are kept", style="yellow")

    def judge(self, detector: Detector, step: int) -> None:
        """Score the weights of a step; keep them if they are the best so far."""
        if self.source.selection is None:
            self.best_step = step
            self.folder.save_detector(detector)
            return
        result = score_split(
            detector,
            self.source.selection,
            self.config.evaluate.by(self.source.metric),
            f"{self.source.name} (validation)",
            workers=self.config.run.workers,
            show=self.show,
        )
        headline = result.headline or 0.0
        self.folder.log({"step": step, "validation": headline, "per_class": result.per_class})
        equals = headline == self.best and self.config.train.best_of_equals == "last"
        if self.best is None or headline > self.best or equals:
            self.best, self.best_step = headline, step
            self.folder.save_detector(detector)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "best_step": self.best_step}
