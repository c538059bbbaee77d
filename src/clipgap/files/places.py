"""Places that results are to go to, looked at before any work is done: nothing of the user's is written over."""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path

from clipgap.errors import DataError
from clipgap.files.hidden import is_ours


def require_new(path: Path, option: str, besides: Container[str] = ()) -> None:
    """Make sure that nothing is written over.

    Args:
        path: the file or folder that is to be written.
        option: where the user has named it.
        besides: names of files in the folder that may be there.

    Raises:
        DataError: there is a file of that name, or a folder with something in it, or nothing can be written there.
    """
    require_place(path, option)
    if path.is_file() or (path.is_dir() and not all(is_ours(one) or one.name in besides for one in path.iterdir())):
        raise DataError(f"{path}: is there already; choose another {option}, or move it away")


def require_new_file(path: Path, option: str) -> None:
    """The same for a single file, which cannot take a folder's name.

    Raises:
        DataError: there is something of that name, or nothing can be written there.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; {option} takes the name of a new file")
    require_new(path, option)


def require_place(path: Path, option: str) -> None:
    """Make sure, before any work is done, that its result can be written.

    Raises:
        DataError: what should hold it is no folder, or one that may not be written to.
    """
    place = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not place.is_dir():
        raise DataError(f"{path}: {place} is not a folder; choose another {option}")
    if not os.access(path if path.is_dir() else place, os.W_OK | os.X_OK):
        raise DataError(f"{path}: {place} may not be written to; choose another {option}")
