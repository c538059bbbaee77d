"""What an interrupted job goes on from: its newest checkpoint, and the one before it in case that one is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from clipgap.engine.progress import log
from clipgap.errors import WeightsError
from clipgap.files import write_then_rename
from clipgap.weights import require_checksums


class Checkpoints:
    """The last two checkpoints of a job.

    Args:
        file: the newest; the one before it is beside it.
        kind: what they are of: a file of another kind is none.
    """

    def __init__(self, file: Path, kind: str) -> None:
        self.file, self.kind = file, kind
        self.before = file.with_name(f"{file.name}.before")

    @property
    def there(self) -> bool:
        """Whether there is anything to go on from."""
        return self.file.is_file() or self.before.is_file()

    def save(self, content: Mapping[str, Any]) -> None:
        """Write the newest one; at every moment one is whole.

        Raises:
            DataError: it cannot be written.
        """

        def write(temporary: Path) -> None:
            torch.save({"kind": self.kind, **content}, temporary)
            if self.file.is_file():
                self.file.replace(self.before)

        write_then_rename(self.file, write)

    def load(self) -> dict[str, Any] | None:
        """The newest one that is whole; None where none is there. A damaged one is removed, with a warning.

        Raises:
            WeightsError: all that are there are damaged, or of something else.
        """
        said = ""
        for file in (self.file, self.before):
            if not file.is_file():
                continue
            try:
                content = self._read(file)
            except Exception as error:  # noqa: BLE001 (a damaged file makes the reader stumble in every way)
                said = said or f"{file}: damaged, or of something else ({type(error).__name__})"
                continue
            if said:
                log.print(f"warning: {said}; going on from the one before, {file}", style="yellow")
                self.file.unlink()
            return content
        if said:
            raise WeightsError(f"{said}, and no other is there; move the folder away, and begin again")
        return None

    def remove(self) -> None:
        """Away with both: the job is done."""
        self.file.unlink(missing_ok=True)
        self.before.unlink(missing_ok=True)

    def _read(self, file: Path) -> dict[str, Any]:
        require_checksums(file)
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        if content["kind"] != self.kind:
            raise WeightsError(f"{file}: of {content['kind']}")
        return content
