"""Places that results are to go to, looked at before any work is done: nothing of the user's is written over."""

from __future__ import annotations

import os
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from clipgap.errors import DataError
from clipgap.files.hidden import is_ours, temporary_beside
from clipgap.files.writing import FULL, cannot_write


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
    if (os.path.lexists(path) and not path.is_dir()) or (
        path.is_dir() and not all(is_ours(one) or one.name in besides for one in path.iterdir())
    ):
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
    """Make sure, before any work is done, that its result can be written: by writing there, which alone can tell.

    Raises:
        DataError: what should hold it is no folder, or one that may not be written to, or the disk is full.
    """
    place = path if path.is_dir() else next(one for one in path.absolute().parents if os.path.lexists(one))
    if not place.is_dir():
        raise DataError(f"{path}: {place} is not a folder; choose another {option}")
    trial = temporary_beside(place / "trial")
    try:
        trial.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # a process of the same number on another machine was quicker
            trial.rmdir()
    except OSError as error:
        if error.errno in FULL:
            raise cannot_write(error, path) from None
        said = f"{path}: {place} may not be written to ({error.strerror}); choose another {option}"
        raise DataError(said) from None


def require_apart(one: Path, other: Path, options: tuple[str, str]) -> None:
    """Make sure that neither of two results is to be where the other one is.

    Raises:
        DataError: they are the same, or one is inside of the other.
    """
    first, second = (Path(os.path.realpath(path)) for path in (one, other))
    for inner, outer, told in ((first, second, options), (second, first, options[::-1])):
        if inner.is_relative_to(outer):
            path = one if inner is first else other
            raise DataError(f"{path}: {told[0]} is the same as {told[1]}, or inside of it; choose another {told[0]}")
