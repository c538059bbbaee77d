"""Write files so that nobody ever sees half of one, and nothing of the user's is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from clipgap.errors import DataError


def require_new(path: Path, option: str) -> None:
    """Make sure that nothing is written over.

    Raises:
        DataError: there is a file of that name, or a folder with something in it.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise DataError(f"{path}: is there already; choose another {option}, or move it away")


def write_then_rename(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a temporary file beside `path` and rename it: an interruption leaves the old file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # safetensors makes files that nobody else may read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_then_rename(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
