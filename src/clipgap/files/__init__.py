"""Files and folders: written whole or not at all, nothing of the user's written over, one process at a time."""

from clipgap.files.hidden import is_ours, make_way, sweep, temporary_beside
from clipgap.files.lock import alone_at, alone_in
from clipgap.files.places import require_new, require_new_file, require_place
from clipgap.files.writing import cannot_write, hash_of_file, to_disk, write_text, write_then_rename

__all__ = [
    "alone_at",
    "alone_in",
    "cannot_write",
    "hash_of_file",
    "is_ours",
    "make_way",
    "require_new",
    "require_new_file",
    "require_place",
    "sweep",
    "temporary_beside",
    "to_disk",
    "write_text",
    "write_then_rename",
]
