"""Step two: train the detector on source images whose features are moved by the semantic augmentations (METHOD, 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, cast

import torch
from torch import Tensor

from clipgap.clip import Clip, load_backbone
from clipgap.config import RunConfig
from clipgap.data import DetectionDataset, Domain, load_domains
from clipgap.data.stream import SampleStream, seed_for
from clipgap.detector import Detector, DetectorSpec
from clipgap.engine.augmentation import make_augmentation, refit
from clipgap.engine.compiled import compile_heads
from clipgap.engine.fit import training_set
from clipgap.engine.progress import log, progress_bar
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.runtime import make_fabric, tell_warnings
from clipgap.engine.selection import Selection
from clipgap.engine.stopping import stop_signals
from clipgap.engine.trainer import Batch, MakeExample, Trainer
from clipgap.errors import Interrupted, TrainingError


@dataclass(frozen=True)
class Trained:
    """What a training run leaves: `path` is a Detector folder."""

    path: Path
    best: float | None
    """The kept weights' score on the source's validation split; None where there is none."""
    best_step: int | None
    figure: str
    """What `best` is, and of which metric: `AP50 (voc2007)`."""
    split: str | None
    """What it was scored on: `day/val`."""
    seconds: float
    """That the steps took, with the validations between them, in all sittings."""
    main: bool
    """Whether this is the process that wrote it; the others know neither `best` nor `best_step`."""


def train(config: RunConfig, *, resume: bool = False, show: bool = True) -> Trained:
    """Train the detector that a run config describes; everything it leaves is in the run folder.

    Raises:
        ClipgapError: data, CLIP, offsets or settings that cannot be used; a loss or weight that is not finite.
        Interrupted: by Ctrl-C or SIGTERM, between two steps, after the checkpoint was written.
    """
    fabric = make_fabric(config.run)
    fabric.launch()
    show = show and fabric.is_global_zero
    folder = RunFolder(config.run.out)
    if not resume:
        folder.require_new()  # every process looks, so that none is left waiting for one that has refused
    config.data.refuse_inside(config.run.out, "run.out")
    domains = load_domains(config.data)
    dataset = _checked_training_set(domains.source, show)
    clip = load_backbone(config.clip)
    augment, offsets_from = make_augmentation(config, clip)
    spec = DetectorSpec(
        classes=config.data.classes,
        tower=clip.tower_spec,
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
    again = (
        partial(refit, augment, clip, dataset, config)
        if augment and isinstance(clip, Clip) and config.augment.refit_every
        else None
    )
    del clip
    if config.run.compile:
        with fabric.autocast():
            compile_heads(detector)
    if checkpoint:
        trainer.load_state(checkpoint)
    selection = Selection(folder, domains.source, config, checkpoint, show) if fabric.is_global_zero else None
    job = _Steps(trainer, dataset, config, folder, selection, again)
    seconds = job.run(checkpoint, show)
    if selection is None:
        return Trained(folder.path, None, None, "", None, seconds, main=False)
    best, step = selection.best, selection.best_step
    return Trained(folder.path, best, step, selection.figure, selection.split, seconds, main=True)


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


@dataclass
class _Steps:
    """All steps of a run, or those that are left of it."""

    trainer: Trainer
    dataset: DetectionDataset
    config: RunConfig
    folder: RunFolder
    selection: Selection | None
    """Of the main process."""
    again: Callable[[int], None] | None
    """Fits the offsets anew."""

    def run(self, checkpoint: dict[str, Any] | None, show: bool) -> float:
        """Take the steps after a checkpoint; gives the seconds that all took.

        Raises:
            TrainingError: something is not finite.
            Interrupted: after the checkpoint of the step was written.
        """
        fabric, settings = self.trainer.fabric, self.config.train
        first, before = (checkpoint["step"], checkpoint.get("seconds", 0.0)) if checkpoint else (0, 0.0)
        saves = due = bool(checkpoint and checkpoint.get("due"))
        batches = training_batches(self.dataset, self.config, first, fabric.global_rank, fabric.world_size)
        begin = monotonic()
        with progress_bar("train", settings.steps, first, show) as report, stop_signals() as stopping:
            for done in range(first, settings.steps + 1):
                if done > first:
                    figures = self._step(done, next(batches))
                    report(loss=sum(figures.values()), **_short(figures))
                    due = settings.validates(done)
                    saves = done % settings.checkpoint_every == 0 or done == settings.steps
                stop = stopping.agreed(fabric)
                if due or saves or stop:
                    self._require_finite(done)
                if due and not stop:
                    due = self.selection is not None and not self.selection.judge(self.trainer.detector, done, stopping)
                    stop = stopping.agreed(fabric)  # keeps the other processes waiting, too
                if saves or stop:
                    self._save(done, due, before + monotonic() - begin)
                if stop and (due or done < settings.steps):
                    raise Interrupted(f"saved at step {done} of {settings.steps}", signal=stopping.signal)
        return float(before + monotonic() - begin)

    def _save(self, done: int, due: bool, seconds: float) -> None:
        """Write the checkpoint; `due`: the weights are still to be scored."""
        if self.selection:
            state = {"step": done, "due": due, "seconds": seconds, **self.selection.state(), **self.trainer.state()}
            self.folder.save_checkpoint(state)

    def _require_finite(self, done: int) -> None:
        try:
            self.trainer.require_finite()
        except TrainingError as error:
            raise TrainingError(f"train, step {done}: {error}") from None

    def _step(self, done: int, batch: Batch) -> dict[str, float]:
        """The step after which so many are done; its losses."""
        trainer, settings, seed = self.trainer, self.config.train, self.config.run.seed
        step = done - 1
        if self.again and step and step % self.config.augment.refit_every == 0:  # so that a resumed run does it too
            self.again(step)
            trainer.detector.train()
        lr = trainer.set_lr(step)
        try:
            figures = trainer.step(trainer.fabric.to_device(batch), seed_for(seed, 4, step, trainer.fabric.global_rank))
        except TrainingError as error:
            raise TrainingError(f"train, step {done}: {error}") from None
        if self.selection and (done % settings.log_every == 0 or done == settings.steps):
            self.folder.log({"step": done, "lr": lr, **figures})
        return figures


def _short(figures: dict[str, float]) -> dict[str, float]:
    names = {"loss_classifier": "cls", "loss_box_reg": "box", "loss_objectness": "rpn", "loss_rpn_box_reg": "rpn_box"}
    return {names[name]: value for name, value in figures.items()}
