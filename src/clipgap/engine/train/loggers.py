"""Other places that a run's figures go to, beside metrics.jsonl: Fabric's loggers, or any of that kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from clipgap.config import RunSection
from clipgap.data import DetectionDataset
from clipgap.detector import Detector
from clipgap.engine.predict.drawing import draw, marks_of
from clipgap.engine.predict.job import coco_results
from clipgap.errors import ConfigError

SHOWN = 4
"""Pictures of the validation split."""
LEAST_SCORE = 0.3
"""Of a detection that is drawn in them."""


class Loggers:
    """The loggers of one run.

    Args:
        loggers: each is told every line of the metrics; those whose `experiment` can `add_image`, pictures too.
        validation: the split that pictures are of; None: there are none.
    """

    def __init__(self, loggers: Sequence[Logger], validation: DetectionDataset | None) -> None:
        self.loggers, self.validation = list(loggers), validation

    def log(self, line: dict[str, Any]) -> None:
        """Pass on the numbers of a line of the metrics."""
        numbers = {name: value for name, value in _flat(line) if isinstance(value, (int, float)) and name != "step"}
        for logger in self.loggers:
            logger.log_metrics(numbers, line["step"])

    def show(self, detector: Detector, step: int) -> None:
        """Draw what is found in the first pictures of the validation split."""
        takers = [one for one in self.loggers if hasattr(getattr(one, "experiment", None), "add_image")]
        if not takers or self.validation is None:
            return
        looking = detector.for_inference()
        for place in range(min(SHOWN, len(self.validation))):
            picture = self.validation[place].image
            found = coco_results(looking.predict(picture))
            drawn = np.asarray(draw(picture, marks_of(found, detector.classes, LEAST_SCORE)))
            for logger in takers:
                logger.experiment.add_image(f"validation/{place}", drawn, step, dataformats="HWC")  # type: ignore[attr-defined]


@contextmanager
def opened_loggers(
    run: RunSection, folder: Path, more: Sequence[Logger], validation: DetectionDataset | None
) -> Iterator[Loggers]:
    """The loggers that the settings name, and those of the caller's own; at the end all is written.

    A resumed run begins a new version beside the old one.

    Raises:
        ConfigError: what one needs is not installed.
    """
    made = {"csv": CSVLogger, "tensorboard": TensorBoardLogger}
    try:
        own: list[Logger] = [made[name](folder / "logs", name) for name in run.loggers]
    except ModuleNotFoundError:
        raise ConfigError("run.loggers: tensorboard is not installed here: pip install tensorboard") from None
    loggers = Loggers([*own, *more], validation)
    status = "failed"
    try:
        yield loggers
        status = "success"
    finally:
        for logger in loggers.loggers:
            logger.finalize(status)


def _flat(line: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in line.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{key}", inner) for key, inner in value.items())
        else:
            yield name, value
