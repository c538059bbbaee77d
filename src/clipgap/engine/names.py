"""The files that jobs keep, by name, for whoever must not wait for torch."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from clipgap.files import hash_of_file, require_new
from clipgap.parse import SEALED

CONFIG, RECORD, METRICS, CHECKPOINT, BAD_BATCHES = (
    "run.yaml",
    "environment.json",
    "metrics.jsonl",
    "checkpoint.pt",
    "bad_batch.json",
)
ALBUM = "album.npy"
"""What a pre-training cuts its crops from; there is a JSON beside it when it is whole."""
LOGS = "logs"
"""The folder of `run.loggers`."""
DETECTIONS = "detections"
"""The folder beside a detector's files in which `evaluate` keeps what was detected."""
EXPORTED = "detector.json"
"""What `clipgap export` writes beside its graphs."""
UNSAVED = (CONFIG, RECORD, METRICS, LOGS)
"""All that a run leaves before its first checkpoint, where nothing went wrong."""


def half_done(out: Path) -> Path:
    """The file beside the offsets `out` that an interrupted fit leaves."""
    return out.parent / f"{out.name}.resume"


def before(checkpoint: Path) -> Path:
    """The checkpoint before the newest one."""
    return checkpoint.with_name(f"{checkpoint.name}.before")


def is_saved(checkpoint: Path) -> bool:
    """Whether there is a checkpoint (or what else is kept) to go on from, or the one before it."""
    return checkpoint.exists() or before(checkpoint).is_file()


def hash_of_detector(folder: Path) -> str:
    """A hash of what makes a detector: of whichever of its files are there."""
    whole = hashlib.sha256()
    named = (folder / name for name in ("config.yaml", "model.safetensors", EXPORTED))
    for file in (*named, *sorted(folder.glob("*.onnx"))):
        if file.is_file():
            whole.update(bytes.fromhex(hash_of_file(file)))
    return whole.hexdigest()[:16]


def goes_on(checkpoint: Path, resume: bool) -> bool:
    """Whether a job goes on: it is asked for, or torchrun has started it again after one of its processes had ended."""
    again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    return resume or (again and is_saved(checkpoint))


def drawn(album: Path) -> Path:
    """The JSON that is beside an album when it is whole."""
    return album.with_suffix(".json")


def require_new_pretraining(folder: Path) -> None:
    """Make sure that a pre-training can begin in a folder: nothing is there but an album that was not drawn whole.

    Raises:
        DataError: something is, or nothing can be written there.
    """
    unsaved = () if drawn(folder / ALBUM).is_file() else (ALBUM,)
    require_new(folder, "--out (--resume goes on with a pre-training)", besides=unsaved)


def require_new_run(folder: Path) -> None:
    """Make sure that a run can begin in a folder: nothing is there but of a run that had not saved anything.

    Raises:
        DataError: something is.
    """
    config, metrics = folder / CONFIG, folder / METRICS
    ours = config.is_file() and config.read_bytes().startswith(SEALED.encode())
    scored = metrics.is_file() and b'"validation"' in metrics.read_bytes()  # its weights were taken away
    require_new(folder, "run.out (--resume goes on with a run)", besides=UNSAVED if ours and not scored else ())
