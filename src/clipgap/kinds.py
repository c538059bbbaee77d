"""What a file is, by its first bytes: for messages about files that are not what they should be."""

from __future__ import annotations

import re
from pathlib import Path

HEADS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "compressed by gzip",
    b"7z\xbc\xaf": "compressed by 7-Zip",
    b"PK\x03\x04": "a zip archive",
    b"\x89HDF": "an HDF5 file",
    b"version https://git-lfs": "a Git LFS pointer, not the file that it stands for (`git lfs pull` fetches it)",
}
PAGE = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)
XML = re.compile(rb"\s*<\?xml")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def kind_of(path: Path) -> str | None:
    """What a file obviously is, in words that go behind "is"; None where its bytes do not say.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        return "empty"
    for start, kind in HEADS.items():
        if head.startswith(start):
            return kind
    if PAGE.match(head):
        return "a web page (a download that went wrong)"
    if XML.match(head):
        return "XML"
    return "text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")  # a letter that the end of the 4096 bytes cuts in two
    return not CONTROL.search(text)
