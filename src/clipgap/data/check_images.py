"""Open every image of a split, on all cores where there are many, and tell what is wrong with them."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import chain

from torch.utils.data import DataLoader, Dataset

from clipgap.data.dataset import read_record
from clipgap.data.files import reason
from clipgap.data.records import Fault, ImageRecord
from clipgap.errors import DataError
from clipgap.processes import leave_signals

MANY = 1000
"""Images from which on it is worth the time to start processes."""
CHUNK = 64
"""Images that a process looks at before it tells of them."""


class _Looks(Dataset[list[Fault]]):
    def __init__(self, records: Sequence[ImageRecord]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> list[Fault]:
        record = self._records[index]
        try:
            _, notes = read_record(record)
        except DataError as error:
            return [Fault(record.path, "", reason(error, record.path), "error")]
        return [Fault(record.path, "", note.message, "warning", note.detail) for note in notes]


def look_at_images(records: Sequence[ImageRecord]) -> Iterator[list[Fault]]:
    """The faults of every image, in order. Images are decoded whole: a file that is cut short has a sound header."""
    workers = _cores() if len(records) >= MANY else 0
    chunks: DataLoader[list[Fault]] = DataLoader(
        _Looks(records),
        batch_size=CHUNK if workers else 1,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=leave_signals,
    )
    return chain.from_iterable(chunks)


def _cores() -> int:
    """How many processes to start; none where they would import everything anew, and the user's script with it."""
    forks = sys.platform == "linux" and multiprocessing.get_start_method() == "fork"
    return len(os.sched_getaffinity(0)) if forks else 0
