"""Detections that `evaluate` keeps, so that no table, other metric or report needs a second detection.

DOMAIN-KEY.json          COCO results of the split that was scored, in the very numbers that were
DOMAIN-KEY.images.json   what the ids stand for, of which detector and images the results are, and their hash
DOMAIN-KEY.jsonl         until then: a line an image as soon as it is done, from which an evaluation goes on
table-KEY.json           the table that was made of them

KEY is a hash of all that they depend on: those of other weights or images are beside, not in the place of these.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from clipgap.config import EvaluateConfig
from clipgap.data import DetectionDataset
from clipgap.engine.detections import Found
from clipgap.engine.keeping import Keeping, from_coco, keeping_in
from clipgap.engine.names import DETECTIONS, hash_of_detector
from clipgap.engine.predict.folder import LineFile, write_results
from clipgap.engine.progress import log
from clipgap.engine.runtime import version_of
from clipgap.errors import DataError, DiskError, WeightsError
from clipgap.files import alone_at, hash_of_file, require_place, sweep, write_text, write_then_rename
from clipgap.metrics import ScoreTable
from clipgap.parse import parse_json

VERSIONS = ("clipgap", "torch", "torchvision", "pillow", "onnxruntime")
"""Packages that detections depend on."""


class Kept:
    """The folder in which the detections of one detector are kept.

    Args:
        folder: is made when there is something to keep; where nobody may write, nothing is kept.
        detector: which it is: a hash of its files.
        device: the kind that it computes on.
        alone: nothing is detected: what is not kept is an error, and so is a table that is not as it was.
    """

    def __init__(self, folder: Path, detector: str, device: str, *, alone: bool = False) -> None:
        self.folder, self.detector, self.device, self.alone = folder, detector, device, alone
        self._splits: dict[str, KeptSplit] = {}

    @classmethod
    def beside(cls, run: Path, device: torch.device, *, alone: bool = False) -> Kept:
        """That of the detector in a folder."""
        return cls(run / DETECTIONS, hash_of_detector(run), device.type, alone=alone)

    def opened(self, name: str, dataset: DetectionDataset, rule: EvaluateConfig) -> AbstractContextManager[Keeping]:
        """The detections in a domain's split; reads every image file, to know whether they are of these images.

        Raises:
            DataError: another process is at work on the same; or, where nothing is detected, not all are there.
        """
        about = {
            "detector": self.detector,
            "device": self.device,
            "evaluate.precision": rule.precision,
            "evaluate.proposals": rule.proposals,
            "evaluate.batch_size": rule.batch_size,
            "images": _digest_of_contents(dataset),
            "versions": {name: version_of(name) for name in VERSIONS},
        }
        split = KeptSplit(self.folder, name, dataset, about)
        self._splits[name] = split
        return split.opened(self.alone)

    def found(self, name: str) -> tuple[DetectionDataset, list[Found]]:
        """A domain's split that was `opened`, and what is kept of every image of it.

        Raises:
            DataError: nothing is: nobody may write there.
        """
        split = self._splits[name]
        found = split.read()
        if found is None:
            raise DataError(f"{self.folder}: detections cannot be kept there; copy the detector to where you may write")
        return split.dataset, found

    def images(self) -> dict[str, str]:
        """A hash of the images and boxes of every domain that was `opened`."""
        return {name: split.dataset.digest(boxes=True) for name, split in self._splits.items()}

    def require_unchanged(self) -> None:
        """Make sure, after a detector was loaded, that it is the one whose files were hashed.

        Raises:
            WeightsError: a training has written newer ones meanwhile.
        """
        if self.folder.name == DETECTIONS and hash_of_detector(self.folder.parent) != self.detector:
            raise WeightsError(
                f"{self.folder.parent}: its files have changed meanwhile; wait until its training has ended"
            )

    def table(self, table: ScoreTable) -> None:
        """Write the table of these detections down, or compare it with the one that was.

        Raises:
            DataError: it is another, or there was none.
        """
        made = table.to_json()
        rule = [(domain.name, domain.role, domain.metric) for domain in table.domains]
        splits = [(split.key, split.dataset.digest(boxes=True)) for split in self._splits.values()]
        file = self.folder / f"table-{_key([table.rule, rule, splits])}.json"
        if self.alone:
            _require_same(file, made)
        elif _writable(self.folder):
            if file.is_file() and json.dumps(made, indent=1) != file.read_text(encoding="utf-8", errors="replace"):
                log.print(f"warning: {file}: was another table of the same detections; written anew", style="yellow")
            write_text(file, json.dumps(made, indent=1))


class KeptSplit:
    """The detections in one split.

    Args:
        folder: where they are kept.
        name: the domain's.
        dataset: the split.
        about: all that its detections depend on.
    """

    def __init__(self, folder: Path, name: str, dataset: DetectionDataset, about: dict[str, Any]) -> None:
        self.folder, self.name, self.dataset, self.about = folder, name, dataset, about
        self.key = _key(about)
        stem = f"{re.sub(r'[^A-Za-z0-9_]', '_', name)[:60]}-{self.key}"
        self.results, self.images = folder / f"{stem}.json", folder / f"{stem}.images.json"
        self.lines = folder / f"{stem}.jsonl"

    @contextmanager
    def opened(self, alone: bool) -> Iterator[Keeping]:
        """What is there; at the end all images are done, and the results are written.

        Raises:
            DataError: as `Kept.opened`.
        """
        found = self.read()
        if found is not None:
            log.print(f"{self.name}: the detections of {len(found)} images are in {self.results}", highlight=False)
            yield Keeping(found)
        elif alone:
            raise DataError(f"{self.results}: not there, or damaged; leave --verify out to detect again")
        elif not _writable(self.folder):
            log.print(f"{self.folder}: may not be written to: detections are not kept", style="yellow")
            yield Keeping([])
        else:
            with alone_at(self.lines):
                sweep(self.folder, self.results.name)
                sweep(self.folder, self.images.name)
                found = self.read()  # another process may have ended meanwhile
                if found is not None:
                    yield Keeping(found)
                    return
                with keeping_in(self.lines) as keeping:
                    yield keeping
                    if keeping.lines:
                        self._finish(keeping.lines)

    def read(self) -> list[Found] | None:
        """What was found in every image; None where that is not all there, or damaged."""
        try:
            head = parse_json(self.images.read_text(encoding="utf-8"))
            if head["info"]["results"] != hash_of_file(self.results):
                raise ValueError("another hash")
            listed = json.loads(self.results.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            log.print(f"warning: {self.results}: damaged; not used", style="yellow")
            return None
        images: list[list[dict[str, Any]]] = [[] for _ in range(len(self.dataset))]
        for one in listed:
            images[one["image_id"] - 1].append(one)
        return [from_coco(found) for found in images]

    def _finish(self, lines: LineFile) -> None:
        """All images are done: write COCO's results, and then what makes them whole."""
        write_then_rename(self.results, partial(write_results, lines))
        images = [
            {"id": number, "file_name": str(record.path), "width": record.width, "height": record.height}
            for number, record in enumerate(self.dataset.records, start=1)
        ]
        categories = [{"id": label, "name": name} for label, name in enumerate(self.dataset.classes, start=1)]
        info = {**self.about, "domain": self.name, "results": hash_of_file(self.results)}
        write_text(self.images, json.dumps({"info": info, "images": images, "categories": categories}))
        self.lines.unlink()


def _require_same(file: Path, made: dict[str, Any]) -> None:
    """Make sure that a table is the one that was written down."""
    try:
        before = parse_json(file.read_text(encoding="utf-8"))
        domains = dict(before["domains"])
    except (OSError, ValueError, TypeError, KeyError):
        raise DataError(f"{file}: not there, or damaged: nothing to compare with; leave --verify out") from None
    if before != made:
        other = [name for name, one in made["domains"].items() if one != domains.get(name)]
        raise DataError(f"{file}: is not what the detections give: {', '.join(other) or 'its head'} differs")


def _writable(folder: Path) -> bool:
    """Whether something can be kept: a detector may be where nobody may write.

    Raises:
        DiskError: the disk is full.
    """
    try:
        require_place(folder, "place")
    except DiskError:
        raise
    except DataError:
        return False
    return True


def _digest_of_contents(dataset: DetectionDataset) -> str:
    whole = hashlib.sha256(dataset.digest(boxes=False).encode())
    for record in dataset.records:
        state = record.path.stat()
        whole.update(_content_hash(record.path, state.st_mtime_ns, state.st_size).encode())
    return whole.hexdigest()[:16]


@lru_cache(maxsize=100_000)
def _content_hash(path: Path, changed: int, size: int) -> str:
    """Of a file that was changed then and is so large: several detectors are compared on the same images."""
    return hash_of_file(path)


def _key(about: Any) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
