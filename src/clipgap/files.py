"""Write files so that nobody ever sees half of one, and nothing of the user's is lost."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from clipgap.errors import DataError, DiskError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when nothing more can be stored."""


def require_new(path: Path, option: str) -> None:
    """Make sure that nothing is written over.

    Raises:
        DataError: there is a file of that name, or a folder with something in it, or nothing can be written there.
    """
    require_place(path, option)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
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


def write_then_rename(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a temporary file beside `path` and rename it: an interruption leaves the old file whole.

    Raises:
        DataError: it cannot be written; a DiskError where the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # safetensors makes files that nobody else may read
        temporary.replace(path)
    except Exception as error:
        written = temporary.stat().st_size if temporary.exists() else 0
        cause = _os_error(error)
        if cause is None:
            raise
        raise cannot_write(cause, path, written) from None
    finally:
        temporary.unlink(missing_ok=True)


def cannot_write(error: OSError, path: Path, written: int = 0) -> DataError:
    """What to say of a file or folder that could not be written, with the space that is left where that was it."""
    if error.errno not in FULL:
        return DataError(f"{path}: cannot be written ({error.strerror or error}); choose another place")
    place = next(parent for parent in path.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(place).free
    needs = f"it needs more than {_megabytes(written)}, and " if written else ""
    return DiskError(
        f"{path}: the disk is full, or your share of it ({error.strerror}): {needs}{_megabytes(free)} are free in "
        f"{place}; make room, or write elsewhere"
    )


def _os_error(error: Exception) -> OSError | None:
    """What the system said, also where torch's or safetensors' own error has taken its place."""
    if isinstance(error, OSError):
        return error
    text = str(error)
    if "No space left" in text or "unexpected pos" in text or "file write failed" in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_then_rename(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
