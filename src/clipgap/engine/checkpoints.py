"""What an interrupted job goes on from: its newest checkpoint, and the one before it in case that one is damaged."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from clipgap.engine.names import before
from clipgap.engine.progress import log
from clipgap.errors import WeightsError
from clipgap.files import write_then_rename
from clipgap.weights import bytes_of, load_plain, require_checksums


class Checkpoints:
    """The last two checkpoints of a job.

    Args:
        file: the newest; the one before it is beside it.
        kind: what they are of: a file of another kind is none.
        main: whether this is the process that writes; of several, the others read alone.
    """

    def __init__(self, file: Path, kind: str, main: bool = True) -> None:
        self.file, self.kind, self.main = file, kind, main
        self.before = before(file)

    def save(self, content: Mapping[str, Any]) -> None:
        """Write the newest one; at every moment one is whole.

        Raises:
            DataError: it cannot be written.
        """

        def keep_the_old(_: Path) -> None:
            if self.file.is_file():
                self.file.replace(self.before)

        def write(path: Path) -> None:
            torch.save({"kind": self.kind, **content}, path)

        write_then_rename(self.file, write, keep_the_old, needs=bytes_of(content))

    def load(self) -> dict[str, Any] | None:
        """The newest one that is whole; None where none is there. A damaged newest is put aside, with a warning.

        Raises:
            WeightsError: all that are there are damaged, or of something else.
        """
        said = ""
        for file in (self.file, self.before):
            if not file.is_file():
                continue
            try:
                content = self._read(file)
            except Exception as error:
                if _is_no_damage(error):
                    raise
                said = said or f"{file}: damaged, or of something else ({type(error).__name__})"
                continue
            if said and self.main:
                log.print(f"warning: {said}; going on from the one before, {file}", style="yellow")
                self.file.replace(self.file.with_name(f"{self.file.name}.damaged"))
            return content
        if said:
            raise WeightsError(f"{said}, and no other is there; move the folder away, and begin again")
        return None

    def remove(self) -> None:
        """Away with both: the job is done."""
        self.before.unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)

    def _read(self, file: Path) -> dict[str, Any]:
        require_checksums(file)
        content: dict[str, Any] = load_plain(file)
        if content["kind"] != self.kind:
            raise WeightsError(f"{file}: of {content['kind']}")
        return content


def _is_no_damage(error: Exception) -> bool:
    """Whether the disk or the memory failed, and not the file; torch says of a cut one that it is an argument."""
    short = isinstance(error, MemoryError) or "alloc" in str(error)
    return short or (isinstance(error, OSError) and error.errno != errno.EINVAL)
