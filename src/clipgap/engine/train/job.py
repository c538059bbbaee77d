"""Step two: train the detector on source images whose features are moved by the semantic augmentations (METHOD, 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.logger import Logger

from clipgap.clip import Backbone, Clip, load_backbone
from clipgap.config import RunConfig, TuneConfig, without_effect
from clipgap.data import DetectionDataset, Domain, load_domains
from clipgap.data.stream import seed_for
from clipgap.detector import Detector, DetectorSpec
from clipgap.engine.compiled import compile_heads
from clipgap.engine.fit import training_set
from clipgap.engine.names import CHECKPOINT, goes_on, require_new_run
from clipgap.engine.progress import log
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.runtime import group_of, make_fabric, tell_own_statistics, tell_warnings
from clipgap.engine.train.augmentation import make_augmentation, refit
from clipgap.engine.train.batches import settling_batches, try_levers
from clipgap.engine.train.loggers import opened_loggers, require_loggers
from clipgap.engine.train.loop import Steps
from clipgap.engine.train.selection import Selection, validation_sets
from clipgap.engine.train.trainer import Trainer
from clipgap.files import alone_in, hash_of_file


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
    """Whether this is the process that wrote it, of several the only one that is to speak."""


def train(config: RunConfig, *, resume: bool = False, show: bool = True, loggers: Sequence[Logger] = ()) -> Trained:
    """Train the detector that a run config describes; everything it leaves is in the run folder.

    Args:
        config: the run's.
        resume: go on with it.
        show: progress bars and warnings.
        loggers: of Fabric's kind, for example Lightning's of Weights & Biases or MLflow, beside `run.loggers`.

    Raises:
        ClipgapError: data, CLIP, offsets or settings that cannot be used; a loss or weight that is not finite.
        Interrupted: by Ctrl-C or SIGTERM, between two steps, after the checkpoint was written.
        LostError: another process has ended.

    Examples:
        >>> config = clipgap.load_config("mini_world", ["recipe=robust", "train.steps=1", "run.out=runs/first"])
        >>> run = clipgap.train(config, show=False)
        >>> clipgap.Detector.load(run.path).classes[:2]
        ['bus', 'bike']
    """
    require_loggers(config.run)
    fabric = make_fabric(config.run)
    fabric.launch()
    config.data.refuse_inside(config.run.out, "run.out")
    group = group_of(fabric)
    folder = RunFolder(config.run.out, group.main)
    resume = goes_on(folder.path / CHECKPOINT, resume)
    if not resume:
        require_new_run(folder.path)  # every process looks, so that none is left waiting for one that has refused
    tell_own_statistics(config.batch_norm, group)
    with group.kept(), group.by_main(partial(alone_in, folder.path)):
        return _train(fabric, config, folder, resume, show and group.main, loggers)


def _train(
    fabric: Fabric, config: RunConfig, folder: RunFolder, resume: bool, show: bool, loggers: Sequence[Logger]
) -> Trained:
    for line in without_effect(config) if show else ():
        log.print(f"warning: {line}", style="yellow", highlight=False)
    domains = load_domains(config.data)
    dataset = _checked_training_set(domains.source, show)
    try_levers(dataset, config)
    sets = validation_sets(domains.source, config)  # before anything is written: it may refuse
    group = group_of(fabric)
    clip = group.main_first(partial(load_backbone, config.clip))
    augment, offsets_from = make_augmentation(config, clip, dataset, show)
    record = {"clip": str(clip), "clip_hash": clip.weights_hash, "offsets": offsets_from, "processes": group.size}
    record |= _hashes(config, dataset)
    detector = _fresh_detector(clip, config, offsets_from)
    checkpoint = folder.resume(config, record) if resume else None
    group.exchange(None)
    if not resume and group.main:
        folder.begin(config, record)
    some_batches = partial(settling_batches, dataset, config)
    trainer = Trainer(detector, config, augment, fabric, some_batches)
    offsets = augment.offsets if augment and config.augment.refit_every else None
    again = partial(refit, offsets, clip, dataset, config) if offsets and isinstance(clip, Clip) else None
    del clip
    if config.run.compile:
        with fabric.autocast():
            compile_heads(detector)
    selection = Selection(folder, domains.source, config, sets, show, trainer.group)
    if checkpoint:
        trainer.load_state(checkpoint)
        selection.load_state(checkpoint)
    more = loggers if folder.main else ()
    mine = config.run if folder.main else config.run.model_copy(update={"loggers": []})
    with opened_loggers(mine, folder.path, more, domains.source.selection) as told:
        folder.told = [told.log]
        seconds = Steps(trainer, dataset, config, folder, selection, told, again).run(checkpoint, show)
    best, step = selection.best, selection.best_step
    if folder.main:
        folder.require_best(selection.best_hash, step)
        folder.note_end(seconds)
    return Trained(folder.path, best, step, selection.figure, selection.split, seconds, folder.main)


def _hashes(config: RunConfig, dataset: DetectionDataset) -> dict[str, str | None]:
    """Of what every step reads."""
    offsets = Path(config.augment.file) if config.augment.offsets and config.augment.file else None
    return {"training_hash": dataset.digest(boxes=True), "offsets_hash": hash_of_file(offsets) if offsets else None}


def _fresh_detector(clip: Backbone, config: RunConfig, offsets_from: str) -> Detector:
    """What training begins with: the tower's weights, and heads that are drawn from the seed."""
    spec = DetectorSpec(
        classes=config.data.classes,
        tower=clip.tower_spec,
        description="; ".join([str(clip), offsets_from, *_levers_in_words(config)]),
        batch_norm=config.batch_norm,
        image=config.image,
        detector=config.detector,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(config.run.seed, 2))
        detector = Detector.from_clip(clip, spec, config.data.prompts)
    detector.to(memory_format=torch.channels_last)  # a tenth faster, on a CPU too
    return detector


def _levers_in_words(config: RunConfig) -> list[str]:
    """What every table shall say of a run beside its CLIP and its offsets."""
    diversify, average = config.diversify, config.average
    views = ", two views" if diversify.views > 1 else ""
    told = [f"images changed by {', '.join(diversify.kinds)}{views}"] if diversify.kinds else []
    told += ["both views aligned"] if config.align.on else []
    given, usual = config.tune.model_dump(), TuneConfig().model_dump()
    tuned = [f"{key} {value}" for key, value in given.items() if value != usual[key]]
    told += [f"tuned by {', '.join(tuned)}"] if tuned else []
    told += [f"weights averaged ({average.over})"] if average.over != "none" else []
    return told + ([f"{average.tuned:g} of the tuned tower"] if average.tuned < 1 else [])


def _checked_training_set(source: Domain, show: bool) -> DetectionDataset:
    dataset = training_set(source)
    _ = source.selection  # read now, so that a split that overlaps is refused before anything is written
    if show:
        tell_warnings(source.name, dataset)
    without = [name for name, count in dataset.boxes_per_class().items() if not count]
    if without and show:
        log.print(f"warning: no box of class {', '.join(without)} in {source.name}'s training split", style="yellow")
    return dataset
