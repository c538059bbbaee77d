"""Which weights of a training run are kept: those that do best on the source's validation split."""

from __future__ import annotations

from typing import Any

from clipgap.config import RunConfig
from clipgap.data import Domain
from clipgap.detector import Detector
from clipgap.engine.evaluate import score_split
from clipgap.engine.progress import log
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.stopping import Stopping


class Selection:
    """Keeps the weights that do best on the source's validation split; the last ones where there is none."""

    def __init__(
        self, folder: RunFolder, source: Domain, config: RunConfig, checkpoint: dict[str, Any] | None, show: bool
    ) -> None:
        self.folder, self.config, self.show = folder, config, show
        self.source = source
        self.best: float | None = checkpoint["best"] if checkpoint else None
        self.best_step: int | None = checkpoint["best_step"] if checkpoint else None
        self._rule = config.evaluate.by(source.metric)
        name = "AP" if self._rule.metric == "coco" else f"AP{round(self._rule.iou * 100)}"
        self.figure = f"{name} ({self._rule.metric})"
        """What `best` is, and of which metric."""
        self.split = f"{source.name}/{source.split_name('selection')}" if source.selection is not None else None
        if self.split is None and show:
            log.print(f"domain {source.name} has no validation split: the last weights are kept", style="yellow")

    def judge(self, detector: Detector, step: int, stopping: Stopping) -> bool:
        """Score the weights of a step; keep them if they are the best so far. False: stopped before that was done."""
        if self.source.selection is None:
            self.best_step = step
            self.folder.save_detector(detector)
            return True
        try:
            with stopping.at_once():
                result = score_split(
                    detector,
                    self.source.selection,
                    self._rule,
                    f"{self.source.name} (validation)",
                    workers=self.config.run.workers,
                    show=self.show,
                )
        except KeyboardInterrupt:
            if not stopping.signal:
                raise
            return False
        headline = result.headline or 0.0
        self.folder.log({"step": step, "validation": headline, "per_class": result.per_class})
        equals = headline == self.best and self.config.train.best_of_equals == "last"
        if self.best is None or headline > self.best or equals:
            self.best, self.best_step = headline, step
            self.folder.save_detector(detector)
        return True

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "best_step": self.best_step}
