"""One process at a time in a folder, or at a file.

The lock is the system's (`flock`), which goes with the process that has it, however that ends: a lock cannot be left
over. The file that carries it says who has it; it is removed at the end, and one that a killed process has left is
taken over. A file system that has no locks is worked on without.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipgap.errors import DataError
from clipgap.files.hidden import HIDDEN, hidden_beside
from clipgap.files.writing import cannot_write

LOCK = f"{HIDDEN}lock"
"""The file in a folder that carries its lock."""
UNKNOWN = (errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.ENOLCK)
"""What a file system says that has no locks."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Have a folder for this process. It is made where it is not there, and goes again if it is empty at the end.

    Raises:
        DataError: another process has it; names that process. Or nothing can be written there.
    """
    with _alone(folder / LOCK, folder):
        yield


@contextmanager
def alone_at(file: Path) -> Iterator[None]:
    """Have a file that is to be written, and what is kept beside it, for this process.

    Raises:
        DataError: as `alone_in`.
    """
    with _alone(hidden_beside(file, "lock"), file):
        yield


@contextmanager
def _alone(lock: Path, what: Path) -> Iterator[None]:
    folder = lock.absolute().parent
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _take(lock, what)
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    except OSError as error:
        raise cannot_write(error, what) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)
        for one in made:
            if not one.is_dir() or any(one.iterdir()):
                break
            one.rmdir()


def _take(lock: Path, what: Path) -> int:
    """The file, open, with the lock on it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in UNKNOWN:
                return descriptor
            holder = os.read(descriptor, 200).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise DataError(f"{what}: {holder} is at work there; wait for its end, or choose another place") from None
        if lock.exists() and os.fstat(descriptor).st_ino == lock.stat().st_ino:
            return descriptor
        os.close(descriptor)  # the one before has removed the file between our opening and our locking it
