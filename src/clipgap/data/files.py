"""Small things that all readers need: text files, list files, image names."""

from __future__ import annotations

from pathlib import Path

from clipgap.errors import DataError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2", ".avif"}
)


def is_image_name(path: Path) -> bool:
    """Whether the name ends as images' do, in any case; the hidden files that some systems leave behind are none."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def images_under(folder: Path) -> list[Path]:
    """All images of a folder and the folders in it, sorted."""
    return sorted(path for path in folder.rglob("*") if is_image_name(path))


def read_text(file: Path) -> str:
    """A UTF-8 file's text, with or without a byte order mark.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None
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
