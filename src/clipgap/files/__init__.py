"""Files and folders: written whole or not at all, nothing of the user's written over, one process at a time."""

from clipgap.files.folder import new_folder
from clipgap.files.hidden import is_ours, sweep, temporary_beside
from clipgap.files.lock import alone_at, alone_in
from clipgap.files.places import require_apart, require_new, require_new_file, require_place
from clipgap.files.writing import (
    add_line,
    append_whole,
    cannot_write,
    hash_of_file,
    to_disk,
    write_all,
    write_bytes,
    write_text,
    write_then_rename,
    writes_to,
)

__all__ = [
    "add_line",
    "alone_at",
    "alone_in",
    "append_whole",
    "cannot_write",
    "hash_of_file",
    "is_ours",
    "new_folder",
    "require_apart",
    "require_new",
    "require_new_file",
    "require_place",
    "sweep",
    "temporary_beside",
    "to_disk",
    "write_all",
    "write_bytes",
    "write_text",
    "write_then_rename",
    "writes_to",
]
