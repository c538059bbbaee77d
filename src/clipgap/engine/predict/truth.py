"""What is known about pictures: the true boxes of a data file, found by the image's path."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from clipgap.data import DetectionDataset, Domains, ImageRecord
from clipgap.engine.predict.drawing import TrueBoxes


class Truth:
    """The boxes of all images in all splits of all domains.

    Args:
        name: where they are from, in the user's words.
        domains: every split that they name is read.

    Raises:
        DataError: a split cannot be read, or has errors.
    """

    def __init__(self, name: str, domains: Domains) -> None:
        self.name = name
        self._records: dict[str, ImageRecord] = {}
        for domain in domains.all:
            for dataset in (domain.scored, domain.selection, domain.train):
                self._take_in(dataset)

    def boxes(self, file: Path, size: tuple[int, int]) -> TrueBoxes | None:
        """The true boxes of an image file; None if nothing is known about it.

        Args:
            file: the image.
            size: (width, height) as it is drawn; boxes of a picture of another size say nothing about it.
        """
        record = self._records.get(_key(file))
        if record is None or (record.width, record.height) != size:
            return None
        boxes = np.array([one.box for one in record.annotations], dtype=np.float64).reshape(-1, 4)
        return TrueBoxes(boxes, [one.name for one in record.annotations])

    def _take_in(self, dataset: DetectionDataset | None) -> None:
        for record in dataset.records if dataset else ():
            self._records.setdefault(_key(record.path), record)


def _key(file: Path) -> str:
    """The same for the same file, however its path is written, also through links."""
    return os.path.normcase(os.path.realpath(file))
