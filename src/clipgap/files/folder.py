"""Folders of many files: made under a hidden name beside their own, so that nobody ever sees half of one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipgap.errors import DataError
from clipgap.files.hidden import make_way, sweep, temporary_beside
from clipgap.files.lock import alone_at
from clipgap.files.writing import cannot_write, to_disk


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, which is called `path` when all is in it; before, it is in nobody's way.

    Raises:
        DataError: it cannot be written, a DiskError where the disk is full; nothing is left then. Or another process
            is at work there.
    """
    if path.resolve() == Path.cwd():
        raise DataError(f"{path}: is the folder that you are in; name a new one in it")
    with alone_at(path):
        sweep(path.parent, path.name)
        half_made = temporary_beside(path)
        try:
            half_made.mkdir(parents=True)
            yield half_made
            make_way(path)  # an empty folder that the user made
            half_made.rename(path)
            to_disk(path.parent)
        except DataError as error:  # of a file in it, which is to have another name
            raise type(error)(str(error).replace(str(half_made), str(path))) from None
        except OSError as error:
            written = _bytes_in(half_made)
            shutil.rmtree(half_made, ignore_errors=True)  # so that what it took counts as free
            raise cannot_write(error, path, written=written) from None
        finally:
            shutil.rmtree(half_made, ignore_errors=True)


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
