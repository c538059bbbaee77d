"""Images of a split under corruption, made in the processes that read them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from clipgap import __version__
from clipgap.corruptions import CORRUPTIONS, LEAST_SIDE, corrupt
from clipgap.data import DetectionDataset, Sample
from clipgap.data.dataset import Target
from clipgap.engine.robustness_folder import CACHE, require_cache
from clipgap.errors import DataError
from clipgap.files import sweep, write_bytes, write_text
from clipgap.parse import parse_json


class CorruptedSamples:
    """The samples of a data set with their images corrupted and their targets as they are.

    Images are corrupted as they are read, before they are resized (Michaelis et al. 2019). The random numbers depend on
    seed, corruption, severity and the image's place in the data set alone.

    Args:
        dataset: the split.
        corruptions: names and severities; image i takes number i mod n of the n.
        seed: see above.
        cache: a folder that `open_cache` made sure of: images that are there are read, others are put there.

    Raises:
        DataError: an image is too small.
    """

    def __init__(
        self,
        dataset: DetectionDataset,
        corruptions: Sequence[tuple[str, int]],
        seed: int,
        cache: Path | None = None,
    ) -> None:
        self.dataset, self.corruptions, self.seed, self.cache = dataset, list(corruptions), seed, cache
        for record in dataset.records:
            if min(record.width, record.height) < LEAST_SIDE:
                raise DataError(
                    f"{record.path}: {record.width} x {record.height} pixels: corruptions need images of at least "
                    f"{LEAST_SIDE} pixels a side; take it out of the split"
                )

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        name, severity = self.corruptions[index % len(self.corruptions)]
        if self.cache is None:
            return self._make(index, name, severity)
        path = self.cache / name / str(severity) / f"{index:06d}.png"
        record = self.dataset.records[index]
        kept = _read(path, (record.width, record.height))
        if kept:
            return Sample(kept, self.dataset.target(index))
        made = self._make(index, name, severity)
        encoded = io.BytesIO()
        made.image.save(encoded, "PNG", compress_level=1)
        write_bytes(path, encoded.getbuffer(), lasting=False)
        return made

    def target(self, index: int) -> Target:
        """The target alone: reads no image."""
        return self.dataset.target(index)

    def _make(self, index: int, name: str, severity: int) -> Sample:
        sample = self.dataset[index]
        random = random_for(self.seed, name, severity, index)
        return Sample(Image.fromarray(corrupt(np.array(sample.image), name, severity, random)), sample.target)


def random_for(seed: int, name: str, severity: int, index: int) -> np.random.Generator:
    """The generator of one corrupted image; 5 keeps it apart from what training draws from the same seed."""
    return np.random.default_rng(np.random.SeedSequence((seed, 5, list(CORRUPTIONS).index(name), severity, index)))


def open_cache(folder: Path, dataset: DetectionDataset, seed: int) -> None:
    """Make sure that what a folder keeps are images of this split and seed; make it if it is not there.

    Raises:
        DataError: they are others', or the folder holds something else.
    """
    mine = {"seed": seed, "images": dataset.digest(boxes=False), "clipgap": __version__}
    file = folder / CACHE
    require_cache(folder)
    for place in (folder, *folder.glob("*/*/")):
        sweep(place)
    if not file.is_file():
        write_text(file, json.dumps(mine))
        return
    try:
        found = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(f"{file}: damaged; choose another --cache, or move the folder away") from None
    if found != mine:
        raise DataError(
            f"{folder}: keeps corrupted images of another split, run.seed or version of clipgap; choose another --cache"
        )


def _read(path: Path, size: tuple[int, int]) -> Image.Image | None:
    """An image from the cache; None where it is not there, or damaged: then it is made anew."""
    try:
        with Image.open(path) as image:
            image.load()
            return image if image.size == size and image.mode == "RGB" else None
    except Exception:  # noqa: BLE001 (decoders stumble over broken files in every way)
        return None
