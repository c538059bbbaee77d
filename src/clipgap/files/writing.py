"""Write files so that nobody ever sees half of one, whatever happens."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from clipgap.errors import DataError, DiskError
from clipgap.files.hidden import temporary_beside

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when nothing more can be stored."""


def write_then_rename(
    path: Path, write: Callable[[Path], object], last: Callable[[Path], object] | None = None, *, lasting: bool = True
) -> None:
    """Let `write` make a temporary file beside `path` and rename it: an interruption leaves the old file whole.

    Args:
        path: the file.
        write: makes it, under the name that it is given.
        last: is called when that is whole, before it has its name.
        lasting: the file is on the disk itself before it has its name, and the name before this returns; what can be
            made again, in masses, need not wait for that.

    Raises:
        DataError: it cannot be written; a DiskError where the disk is full.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # safetensors makes files that nobody else may read
        if lasting:
            to_disk(temporary)
        if last:
            last(temporary)
        temporary.replace(path)
        if lasting:
            to_disk(path.parent)
    except Exception as error:
        written = temporary.stat().st_size if temporary.exists() else 0
        cause = _os_error(error)
        if cause is None:
            raise
        raise cannot_write(cause, path, written) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_then_rename(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def hash_of_file(path: Path) -> str:
    """SHA-256 of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # folders of some network file systems know no fsync
            raise
    finally:
        os.close(descriptor)


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


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
