"""One process at a time in a folder, or at a file.

The lock is the system's (`flock`), which goes with the process that has it, however that ends; processes that are
forked off it give it up. The file that carries it says who has it; it is removed at the end, and one that a killed
process has left is taken over. A file system that has no locks is worked on without.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clipgap.errors import DataError
from clipgap.files.hidden import HIDDEN, hidden_beside
from clipgap.files.writing import folder_for, writes_to

LOCK = f"{HIDDEN}lock"
"""The file in a folder that carries its lock."""
UNKNOWN = (errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.ENOLCK)
"""What a file system says that has no locks."""
_held: set[int] = set()
"""Descriptors of this process that have a lock."""


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
    descriptor = -1
    with ExitStack() as stack:
        try:
            with writes_to(what):
                stack.enter_context(folder_for(lock.absolute().parent))
                descriptor = _take(lock, what)
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield
        finally:
            if descriptor >= 0:
                lock.unlink(missing_ok=True)
                _held.discard(descriptor)
                os.close(descriptor)


def _take(lock: Path, what: Path) -> int:
    """The file, open, with the lock on it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _lock(descriptor) and not (lock.exists() and os.fstat(descriptor).st_ino == lock.stat().st_ino):
                os.close(descriptor)  # the one before has removed the file between our opening and our locking it
                continue
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise DataError(f"{what}: {holder} is at work there; wait for its end, or choose another place") from None
        except OSError:
            os.close(descriptor)
            raise
        _held.add(descriptor)
        return descriptor


def _lock(descriptor: int) -> bool:
    """Whether there are locks; then it is taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in UNKNOWN:
            return False
        raise
    return True


def _give_up() -> None:
    """In a forked process: what it inherits would keep the lock after its parent's end."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_give_up)
