"""Write files so that nobody ever sees half of one, whatever happens."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clipgap.errors import ClipgapError, DataError, DiskError
from clipgap.files.hidden import temporary_beside

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when nothing more can be stored."""
OF_OTHERS = ("unexpected pos", "file write failed", *map(os.strerror, FULL))
"""What torch's and safetensors' own errors say then, of which the system's is no part."""


def write_then_rename(
    path: Path,
    write: Callable[[Path], object],
    last: Callable[[Path], object] | None = None,
    *,
    lasting: bool = True,
    needs: int = 0,
) -> None:
    """Let `write` make a temporary file beside `path` and rename it: an interruption leaves the old file whole.

    Args:
        path: the file.
        write: makes it, under the name that it is given.
        last: is called when that is whole, before it has its name.
        lasting: the file is on the disk itself before it has its name, and the name before this returns; what can be
            made again, in masses, need not wait for that.
        needs: bytes that it will take, where that is known: to be told where the disk is full.

    Raises:
        DataError: it cannot be written; a DiskError where the disk is full. Nothing half-made is left.
    """
    written = 0
    try:
        with folder_for(path.parent):
            temporary = temporary_beside(path)
            try:
                write(temporary)
                temporary.chmod(0o666 & ~_umask())  # safetensors makes files that nobody else may read
                if lasting:
                    to_disk(temporary)
                if last:
                    last(temporary)
                temporary.replace(path)
                if lasting:
                    to_disk(path.parent)
            finally:
                written = temporary.stat().st_size if temporary.exists() else 0
                temporary.unlink(missing_ok=True)
    except ClipgapError:  # `last` has written another file, which is the one to be named
        raise
    except Exception as error:
        cause = _os_error(error)
        if cause is None:
            raise
        raise cannot_write(cause, path, needs, written) from None


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes | memoryview, *, lasting: bool = True) -> None:
    """Write a file whole or not at all; `lasting` as in `write_then_rename`."""
    write_then_rename(path, lambda temporary: temporary.write_bytes(content), lasting=lasting, needs=len(content))


def add_line(path: Path, line: str) -> None:
    """Add a line to a text file; where the disk is full no part of it is left.

    Raises:
        DataError: it cannot be written; a DiskError where the disk is full.
    """
    with writes_to(path), path.open("ab", buffering=0) as file:
        append_whole(file, f"{line}\n".encode())


def append_whole(file: io.RawIOBase, content: bytes) -> None:
    """Write all bytes at the end of a file without a buffer, or none of them."""
    before = file.seek(0, os.SEEK_END)
    try:
        write_all(file, content)
    except OSError:
        file.truncate(before)
        raise


def write_all(file: io.RawIOBase, content: bytes) -> None:
    """Write all bytes into a file without a buffer."""
    rest = memoryview(content)
    while rest:  # a full disk takes a part, and says so at the next
        rest = rest[file.write(rest) or 0 :]


@contextmanager
def folder_for(folder: Path) -> Iterator[None]:
    """Have a folder to write into: it is made where it is not there, and goes again if it is empty at the end."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with suppress(OSError):  # the first that is not empty
            for one in made:
                one.rmdir()


@contextmanager
def writes_to(path: Path) -> Iterator[None]:
    """What goes wrong in writing a file becomes one line that names it.

    Raises:
        DataError: it cannot be written; a DiskError where the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(error, path) from None


def hash_of_file(path: Path) -> str:
    """SHA-256 of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cannot_write(error: OSError, path: Path, needs: int = 0, written: int = 0) -> DataError:
    """What to say of a file or folder that could not be written.

    Args:
        error: the system's.
        path: the file or folder.
        needs: bytes that it takes, where that is known.
        written: bytes that there was room for.
    """
    if error.errno not in FULL:
        return DataError(f"{path}: cannot be written ({error.strerror or error}); choose another place")
    place = next(parent for parent in path.absolute().parents if parent.is_dir())
    told = (
        f"it needs {_size(needs)}, and " if needs else f"it needs more than {_size(written)}, and " if written else ""
    )
    return DiskError(
        f"{path}: the disk is full, or your share of it ({error.strerror}): {told}"
        f"{_size(shutil.disk_usage(place).free)} are free in {place}; make room, or write elsewhere"
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


def _os_error(error: BaseException) -> OSError | None:
    """What the system said, also where another error, of torch's, of ONNX's or of safetensors', has taken its place."""
    if isinstance(error, OSError):
        return error
    if any(said in str(error) for said in OF_OTHERS):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    before = error.__cause__ or error.__context__
    cause = _os_error(before) if before else None
    return cause if cause and cause.errno in FULL else None


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MB" if count >= 2**20 else f"{-(-count // 2**10)} kB"


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
