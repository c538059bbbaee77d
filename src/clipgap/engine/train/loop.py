"""The steps of a run: losses, validations, checkpoints, and how they stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from clipgap.config import RunConfig
from clipgap.data import DetectionDataset
from clipgap.data.stream import seed_for
from clipgap.engine.progress import log, progress_bar
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.stopping import Stopping, stop_signals
from clipgap.engine.train.batches import Batch, images_of_step, training_batches
from clipgap.engine.train.loggers import Loggers
from clipgap.engine.train.selection import Selection
from clipgap.engine.train.trainer import BadStepError, Trainer
from clipgap.errors import Interrupted, TrainingError

SHORT = {
    "loss_classifier": "cls",
    "loss_box_reg": "box",
    "loss_objectness": "rpn",
    "loss_rpn_box_reg": "rpn_box",
    "loss_align_classes": "align",
    "loss_align_boxes": "align_box",
}
"""What a progress bar calls the losses."""


@dataclass
class Steps:
    """All steps of a run, or those that are left of it."""

    trainer: Trainer
    dataset: DetectionDataset
    config: RunConfig
    folder: RunFolder
    selection: Selection
    loggers: Loggers
    again: Callable[[int], None] | None
    """Fits the offsets anew."""
    skipped: int = 0
    """Steps that were not taken because something in them was not finite."""
    _saved: float = 0.0
    """When the last checkpoint was written."""

    def run(self, checkpoint: dict[str, Any] | None, show: bool) -> float:
        """Take the steps after a checkpoint; gives the seconds that all took.

        Raises:
            TrainingError: something is not finite.
            Interrupted: after the checkpoint of the step was written.
        """
        group, settings = self.trainer.group, self.config.train
        first, before = (checkpoint["step"], checkpoint.get("seconds", 0.0)) if checkpoint else (0, 0.0)
        self.skipped = checkpoint["skipped"] if checkpoint else 0
        saves = due = bool(checkpoint and checkpoint.get("due"))
        pinned = self.trainer.fabric.device.type == "cuda"
        batches = training_batches(self.dataset, self.config, first, group.rank, group.size, pinned)
        begin = self._saved = monotonic()
        with progress_bar("train", settings.steps, first, show) as report, stop_signals() as stopping:
            for done in range(first, settings.steps + 1):
                if done > first:
                    losses = _short(self._step(done, next(batches)))
                    report(**({"loss": sum(losses.values()), **losses} if losses else {}))
                    due = settings.validates(done)
                    saves = self._saves(done)
                stop = stopping.agreed(group)
                if due or saves or stop:
                    self._require_finite(done)
                if due and not stop:
                    due = not self._judge(done, stopping)
                    stop = stopping.agreed(group)
                    saves = saves or self._has_new_best(done)
                if saves or stop:
                    self._save(done, due, before + monotonic() - begin)
                if stop:
                    group.exchange(None)  # where one process ends before that is written, all are made to
                if stop and (due or done < settings.steps):
                    raise Interrupted(f"saved at step {done} of {settings.steps}", signal=stopping.signal)
        return float(before + monotonic() - begin)

    def _saves(self, done: int) -> bool:
        """Whether a checkpoint is to be written after so many steps, by their number or by the time."""
        settings = self.config.train
        if settings.checkpoint_minutes and done % settings.log_every == 0:  # not at every step: processes must agree
            late = (monotonic() - self._saved) / 60 >= settings.checkpoint_minutes
            if self.trainer.group.exchange(late)[0]:
                return True
        return done % settings.checkpoint_every == 0 or done == settings.steps

    def _has_new_best(self, done: int) -> bool:
        """Whether the run's detector is of this step: a checkpoint must never know an older one than is there."""
        return self.selection.best_step == done

    def _judge(self, done: int, stopping: Stopping) -> bool:
        """Score the weights, or their average; False: stopped before that was done."""
        self.trainer.share_statistics()
        with self.trainer.average.swapped():
            judged = self.selection.judge(self.trainer.detector, done, stopping)
            if judged:
                self.loggers.show(self.trainer.detector, done)
            return judged

    def _save(self, done: int, due: bool, seconds: float) -> None:
        """Write the checkpoint; `due`: the weights are still to be scored."""
        if self.folder.main:
            state = {"step": done, "due": due, "seconds": seconds, "skipped": self.skipped}
            self.folder.save_checkpoint({**state, **self.selection.state(), **self.trainer.state()})
        self._saved = monotonic()

    def _require_finite(self, done: int) -> None:
        try:
            self.trainer.require_finite()
        except TrainingError as error:
            raise TrainingError(f"train, step {done}: {error}") from None

    def _step(self, done: int, batch: Batch) -> dict[str, float]:
        """The step after which so many are done; its losses and its gradient's norm, none if it was skipped."""
        trainer, settings, seed = self.trainer, self.config.train, self.config.run.seed
        step = done - 1
        if self.again and step and step % self.config.augment.refit_every == 0:  # so that a resumed run does it too
            self.again(step)
            trainer.detector.train()
        lr = trainer.set_lr(step)
        try:
            batch = trainer.fabric.to_device(batch)
            figures = trainer.step(batch, seed_for(seed, 4, step, 0), step)
        except BadStepError as error:
            self._note(done, error)
            figures = {}
        if done % settings.log_every == 0 or done == settings.steps:
            self.folder.log({"step": done, "lr": lr, **figures})
        return figures

    def _note(self, done: int, error: BadStepError) -> None:
        """Write down which images a step that was not taken is of, and go on where the settings allow one more.

        Raises:
            TrainingError: they do not.
        """
        allowed = self.config.train.skip_bad_steps
        self.skipped += 1
        said = f"train, step {done}: {error}"
        if self.folder.main:
            images = images_of_step(self.dataset, self.config, done - 1, self.trainer.group.size)
            figures = {name: str(value) for name, value in error.figures.items()}  # JSON has no nan
            file = self.folder.note_bad_batch({"step": done, "images": images, **figures})
            said = f"{said}; its images are in {file}"
        if self.skipped > allowed:
            raise TrainingError(said) from None
        if self.folder.main:
            log.print(f"warning: {said}; skipped, number {self.skipped} of {allowed}", style="yellow")


def _short(figures: dict[str, float]) -> dict[str, float]:
    return {SHORT[name]: value for name, value in figures.items() if name in SHORT}
