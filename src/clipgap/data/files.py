"""Small things that all readers need: text files, list files, image names."""

from __future__ import annotations

import gc
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clipgap.errors import DataError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2", ".avif"}
)


def is_image_name(path: Path) -> bool:
    """Whether the name ends as images' do, in any case; the hidden files that some systems leave behind are none."""
    return names_image(path.name)


def names_image(name: str) -> bool:
    """`is_image_name` of a bare name."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")


def images_under(folder: Path) -> list[Path]:
    """All images of a folder and the folders in it, sorted; also what has an image's name and is none.

    Raises:
        DataError: one of the folders cannot be read.
    """
    return named_under(folder, names_image)


def named_under(folder: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """All that has a name like that in a folder and the folders in it, sorted.

    Raises:
        DataError: one of the folders cannot be read.
    """
    found: list[Path] = []
    for path, folders, files in os.walk(folder, onerror=_refuse_folder):
        here = Path(path)
        found += [here / name for name in (*files, *folders) if wanted(name)]
    return sorted(found, key=lambda path: path.parts)


@contextmanager
def many_objects() -> Iterator[None]:
    """Puts off the search for garbage while a data set is read: millions of small objects come, and all are kept.

    Python would look through all of them time and again, a quarter of the time that reading takes.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _refuse_folder(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror}): allow it, or remove the folder") from None


def refuse_irregular(file: Path) -> os.stat_result:
    """The status of a regular file. Looked at before it is opened: opening a pipe would wait for ever.

    Raises:
        DataError: it is a folder, a pipe, a socket or a device.
        OSError: there is no such file.
    """
    status = os.stat(file)
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{file}: is a folder, not a file: rename or remove it")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{file}: is no file but a pipe, a socket or a device: replace or remove it")
    return status


def read_bytes(file: Path) -> bytes:
    """What is in a file.

    Raises:
        DataError: it cannot be read, or is no regular file.
    """
    try:
        refuse_irregular(file)
        with open(file, "rb") as opened:
            return opened.read()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None


def read_text(file: Path) -> str:
    """A UTF-8 file's text, with or without a byte order mark.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{file}: not UTF-8 text: save it as UTF-8") from None


def read_lines(file: Path) -> list[tuple[int, str]]:
    """The lines of a text file that hold anything, with their numbers from 1 and without the space around them."""
    lines = enumerate(read_text(file).splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def reason(error: DataError, file: Path) -> str:
    """An error's message without the file's name, for a `Fault` that names the file already."""
    return str(error).removeprefix(f"{file}: ")


def is_marked(value: object) -> bool:
    """Whether a mark such as `difficult` is set: 1, 1.0, true, "1", "True", "yes"."""
    if value is None:
        return False
    text = str(value).strip().lower()
    if text in {"true", "yes"}:
        return True
    try:
        return float(text) == 1
    except ValueError:
        return False
