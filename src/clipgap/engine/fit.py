"""Step one: fit the semantic augmentations to the target prompts, from source images and words alone (METHOD, 3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipgap.augment import SemanticAugmentations
from clipgap.clip import load_clip
from clipgap.config import RunConfig
from clipgap.data import DetectionDataset, Domain, load_domains
from clipgap.engine.crop_pool import CropPool
from clipgap.engine.fitter import Fitter, Seen, chosen_prompts, crop_batches, make_fitter
from clipgap.engine.half_done import HalfDone
from clipgap.engine.names import goes_on, half_done, is_saved
from clipgap.engine.progress import Report, log, progress_bar
from clipgap.engine.runtime import Place, take_place, tell_own_statistics
from clipgap.engine.stopping import Stopping, stop_signals
from clipgap.errors import ConfigError, DataError, Interrupted, TrainingError
from clipgap.files import alone_at, require_new_file, sweep
from clipgap.prompts import PromptSet

JUDGE_EVERY = 10
"""Steps between two looks at the held-out crops, where `fit.patience` asks for them."""
SAVE_EVERY = 50
"""Steps between two saves of the half-done offsets, for `--resume`."""


def fit(
    config: RunConfig,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    show: bool = True,
    place: Place | None = None,
) -> SemanticAugmentations:
    """Fit the offsets that a run config describes; write them to `out` where one is given.

    Args:
        config: the run config.
        out: the file of offsets.
        resume: go on with what is half done beside `out`.
        show: a progress bar.
        place: `take_place` of `config.run` gives it, for who asks which process is the main one.

    Raises:
        ClipgapError: prompts, data, CLIP or settings that cannot be used; a loss that is not finite.
        Interrupted: by Ctrl-C or SIGTERM, between two steps, after what is half done was written beside `out`.
        LostError: another process has ended.

    Examples:
        >>> config = clipgap.load_config("mini_world", ["fit.steps=1"])
        >>> augmentations = clipgap.fit(config, "fitted.safetensors", show=False)
        >>> augmentations.offsets.shape
        torch.Size([15, 256, 8, 8])
    """
    out, place = Path(out) if out else None, place or take_place(config.run)
    group, show = place.group, show and place.group.main
    resume = goes_on(half_done(out), resume) if out else resume
    if config.fit.images_per_step % group.size:
        raise ConfigError(
            f"fit.images_per_step={config.fit.images_per_step}: {group.size} processes cannot share them evenly; "
            f"set a multiple of {group.size}, or run.devices=1"
        )
    if not out:
        with group.kept():
            return _fit(config, None, resume, show, place)
    config.data.refuse_inside(out, "--out")
    with group.kept(), group.by_main(partial(alone_at, out)):
        if group.main:
            sweep(out.parent, out.name)
        fitted = _of_before(out, config) if resume else None
        group.exchange(None)  # all have looked before anything is taken away
        if fitted:
            HalfDone(out, config, "", group.main).remove()
            return fitted
        require_new_file(out, "--out")
        return _fit(config, out, resume, show, place)


def _of_before(out: Path, config: RunConfig) -> SemanticAugmentations | None:
    """The offsets of a fit that was killed between its last two acts: they are there, and so is what was half done."""
    if not (out.is_file() and is_saved(half_done(out))):
        return None
    fitted = SemanticAugmentations.load(out)
    return fitted if fitted.record.get("settings") == _settings(config) else None


def _fit(config: RunConfig, out: Path | None, resume: bool, show: bool, place: Place) -> SemanticAugmentations:
    group = place.group
    tell_own_statistics(config.batch_norm, group)
    prompts = PromptSet.from_config(config.data.prompts)
    clip = group.main_first(partial(load_clip, config.clip))
    weights_hash = clip.weights_hash  # before BatchNorm in train mode moves its averages
    dataset = training_set(load_domains(config.data).source)
    fitter = make_fitter(clip, prompts, config, place.device, group)
    state = HalfDone(out, config, weights_hash, group.main)
    if not resume:
        state.require_new()
    first = state.restore(fitter) if resume else 0
    held_out = next(crop_batches(dataset, config, clip, first=config.fit.steps, last=config.fit.steps + 1))
    looks = _looks(fitter, dataset, config, first)
    with progress_bar("fit", config.fit.steps, first, show) as report, stop_signals() as stopping:
        losses = _Steps(fitter, config, state, stopping, report).run(looks, held_out, first)
    cosines = fitter.judge(held_out)
    if show:
        _tell_what_failed(prompts, cosines)
    record = {
        "settings": _settings(config),
        "batch_norm": config.batch_norm,
        "seed": config.run.seed,
        "direction_loss": losses.get("direction"),
        "l1_loss": losses.get("l1"),
        "steps": losses.get("steps"),
        "pooled_objective": fitter.pooled_objective(fitter.embed(held_out)),
        "cosines": cosines,
        "clip": str(clip),
    }
    offsets = torch.stack([offset.detach().cpu() for offset in fitter.offsets])
    scales = fitter.scales.cpu() if fitter.scales is not None else None
    augmentations = SemanticAugmentations(offsets, prompts, clip.name, weights_hash, record, scales)
    if out and group.main:
        augmentations.save(out)
        state.remove()
    return augmentations


def _settings(config: RunConfig) -> dict[str, Any]:
    return {"fit": config.fit.model_dump(), "image": config.image.model_dump()}


def _tell_what_failed(prompts: PromptSet, cosines: list[dict[str, float]]) -> None:
    """Say of which prompts the offsets lead no nearer to the words than none at all, on crops that were held out."""
    failed = [prompt for prompt, row in zip(prompts.targets, cosines, strict=True) if row["pooled"] <= row["before"]]
    if failed:
        said = f"offsets lead no nearer to {', '.join(map(repr, failed))} than none do; lower fit.lr, or fit longer"
        log.print(f"warning: {said}", style="yellow")


def training_set(source: Domain) -> DetectionDataset:
    """The split that both steps learn from.

    Raises:
        DataError: the data file names none, or it has faults.
    """
    if source.train is None:
        raise DataError(f"domain {source.name}: no split to train on; give `train` in the data file")
    return source.train


@dataclass(frozen=True)
class _Steps:
    """All steps of a fit, or those that are left of it."""

    fitter: Fitter
    config: RunConfig
    state: HalfDone
    stopping: Stopping
    report: Report

    def run(self, looks: Iterable[Seen], held_out: Tensor, first: int) -> dict[str, float]:
        """Take the steps from `first` on; the losses of the last one, and how many steps were taken.

        Raises:
            TrainingError: something is not finite.
            Interrupted: after what is half done was written.
        """
        fitter, settings = self.fitter, self.config.fit
        figures: dict[str, float] = {}
        judged = fitter.embed(held_out) if settings.patience else None
        for done, seen in enumerate(looks, start=first + 1):
            figures = self._step(done, seen)
            if judged and done % JUDGE_EVERY == 0:
                self.state.objectives.append(fitter.pooled_objective(judged))
                fell = not _has_stopped_falling(self.state.objectives, settings.patience // JUDGE_EVERY)
                if not fitter.group.exchange(fell)[0]:  # other processors may round otherwise
                    break
            stop = self.stopping.agreed(fitter.group)
            if done < settings.steps and (stop or done % SAVE_EVERY == 0):
                _require_finite(fitter, done)
                self.state.save(fitter, done)
                if stop:
                    fitter.group.exchange(None)  # where one process ends before that is written, all are made to
                    raise self._interrupted(done)
        _require_finite(fitter, int(figures.get("steps", first)))
        return figures

    def _step(self, done: int, seen: Seen) -> dict[str, float]:
        """The step after which so many are done."""
        losses = self.fitter.move(seen, chosen_prompts(self.config, len(self.fitter.offsets), done - 1))
        figures = {"direction": float(losses.direction), "l1": float(losses.l1)}
        broken = [name for name, value in figures.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(f"fit, step {done}: the {broken[0]} loss is not finite; lower fit.lr")
        self.report(**figures)
        return figures | {"steps": done}

    def _interrupted(self, done: int) -> Interrupted:
        steps = f"step {done} of {self.config.fit.steps}"
        saved = self.state.checkpoints
        said = f"saved at {steps}, in {saved.file}" if saved else f"stopped at {steps}; without `out` nothing is saved"
        return Interrupted(said, resume=saved is not None, signal=self.stopping.signal)


def _require_finite(fitter: Fitter, step: int) -> None:
    """The losses are of the offsets before a step; this is of those after it.

    Raises:
        TrainingError: they are not finite.
    """
    if not fitter.is_finite():
        raise TrainingError(f"fit, step {step}: the offsets are not finite; lower fit.lr")


def _looks(fitter: Fitter, dataset: DetectionDataset, config: RunConfig, first: int) -> Iterator[Seen]:
    """What every step from `first` on is fitted on: new crops, or some of a pool of `fit.pool`, which is filled now."""
    settings = config.fit
    if not settings.pool:
        return map(fitter.embed, crop_batches(dataset, config, fitter.clip, first, settings.steps, fitter.group))
    crops = settings.images_per_step * settings.crops_per_image
    begin = settings.steps + 1  # behind the batch that is held out
    batches = crop_batches(dataset, config, fitter.clip, begin, begin + -(-settings.pool // crops))
    pool = CropPool(fitter, batches, settings.pool)
    return (pool.draw(crops, config.run.seed, step) for step in range(first, settings.steps))


def _has_stopped_falling(values: list[float], patience: int) -> bool:
    """Whether none of the last `patience` values, at least one, is below all before them."""
    patience = max(patience, 1)
    return len(values) > patience and min(values[-patience:]) >= min(values[:-patience])
