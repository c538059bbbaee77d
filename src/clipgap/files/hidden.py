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
    """Remove what killed processes have left half-made in a folder; of the file `name` alone where one is given."""
    for left in folder.glob(f"{HIDDEN}{_short(name) if name else '*'}.*{HALF_MADE}*"):
        if _is_at_work(left):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """Whether a file is one that a killed process has left half-made, or a lock."""
    return path.name.startswith(HIDDEN)


def make_way(folder: Path) -> None:
    """Remove a folder that is there and holds nothing but hidden files of ours, so that another can have its name."""
    if folder.is_dir():
        for left in filter(is_ours, folder.iterdir()):
            left.unlink()
        folder.rmdir()


def _is_at_work(temporary: Path) -> bool:
    """Whether another process of this machine may still be writing what has this name."""
    number = temporary.name.removeprefix(HIDDEN).split(".")[1]
    if not number.isdecimal() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        pass
    return True


def _short(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
