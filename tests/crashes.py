"""A process that dies at one of its writes: from then on it writes, removes and renames nothing any more. Or one that
finds the disk full there, and lives on."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from clipgap.files import writing

Moment = Literal["before", "half", "whole", "after", "full"]
MOMENTS: tuple[Moment, ...] = ("before", "half", "whole", "after")
"""Of a write: not begun; half of it; all of it, without its name; with its name, and nothing of what comes next.
`full`, no end: there is room for half of it."""


class Crash(BaseException):
    """The end of the process; nothing catches it."""


class Writes:
    """Counts the writes of files, and ends the process at a moment of one of them.

    Args:
        monkeypatch: of the test.
        number: the write, from 1; 0: none.
        moment: when.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int = 0, moment: Moment = "before") -> None:
        self.number, self.moment, self.monkeypatch = number, moment, monkeypatch
        self.count = 0
        """Writes that were begun."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within it the process may die."""
        with self.monkeypatch.context() as patch:
            for owner, name, own in (
                (writing, "temporary_beside", self._begun),
                (writing, "to_disk", self._stored),
                (writing, "write_all", self._added),
            ):
                patch.setattr(owner, name, self._after(own, getattr(owner, name)))
            yield

    def _after(self, own: Callable[..., None], original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            own(*arguments)
            return original(*arguments)

        return call

    def _begun(self, _: Path) -> None:
        self.count += 1
        self._perhaps("before")

    def _stored(self, path: Path) -> None:
        if path.is_dir():
            self._perhaps("after")
            return
        if self._is("half", "full"):
            os.truncate(path, path.stat().st_size // 2)
        if self._is("full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._perhaps("half")
        self._perhaps("whole")

    def _added(self, file: io.RawIOBase, content: bytes) -> None:
        self.count += 1
        if self._is("half", "full"):
            file.write(content[: len(content) // 2])
        if self._is("full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._perhaps("before", "half")

    def _is(self, *moments: Moment) -> bool:
        return self.count == self.number and self.moment in moments

    def _perhaps(self, *moments: Moment) -> None:
        if self._is(*moments):
            for owner, name in ((Path, "unlink"), (Path, "rmdir"), (Path, "replace"), (shutil, "rmtree")):
                self.monkeypatch.setattr(owner, name, lambda *_, **__: None)  # who is dead tidies up nothing
            raise Crash
