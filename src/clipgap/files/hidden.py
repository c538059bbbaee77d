"""Hidden names beside the user's: of what is half-made, and of locks."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

HIDDEN, HALF_MADE = ".clipgap.", ".tmp"
"""How every such name begins, and how that of something half-made ends."""


def hidden_beside(path: Path, kind: str) -> Path:
    """A hidden name beside `path` that belongs to it; short, however long the path's own name is."""
    return path.with_name(f"{HIDDEN}{_short(path.name)}.{kind}")


def temporary_beside(path: Path) -> Path:
    """Where this process makes what is to be called `path`."""
    return hidden_beside(path, f"{os.getpid()}{HALF_MADE}")


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes have left half-made in a folder; of the file `name` alone where one is given.

    It is for who has the folder, or the file, for himself: another process may be writing.
    """
    for left in folder.glob(f"{HIDDEN}{_short(name) if name else '*'}.*{HALF_MADE}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """Whether a file is one that a killed process has left half-made, or a lock."""
    return path.name.startswith(HIDDEN)


def _short(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
