"""A row: an odd input, and what happens to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class DataRow:
    """A data set that `clipgap data check` looks at."""

    what: str
    make: Callable[[Path], object]
    """Makes the set in the folder that it is given."""
    said: str = ""
    """A part of what is said, without the set's folder; nothing: it is read as it is meant."""
    code: int = 2
    """Exit code, where something is said: 2 for an error, 0 for a warning."""
    boxes: int | None = None
    """How many boxes are read, where that is known."""
    source: dict[str, Any] = field(default_factory=dict)
    """Settings of the domain."""

    def command(self, root: Path) -> list[str]:
        """Make the set in a folder and the command line that looks at it."""
        (root / "set").mkdir()
        self.make(root / "set")
        source = {"name": "day", "format": "coco", "root": "set", "train": "train", **self.source}
        config = {"data": {"classes": ["car", "person"], "source": source}}
        (root / "c.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        return ["data", "check", "--config", str(root / "c.yaml")]


@dataclass(frozen=True)
class CommandRow:
    """A command line."""

    what: str
    words: str
    """Its words; {root} is a folder of its own."""
    said: str
    make: Callable[[Path], object] = lambda root: None
    """Prepares the folder."""
    code: int = 2

    def command(self, root: Path) -> list[str]:
        """The command line for a folder."""
        self.make(root)
        return [word.format(root=root) for word in self.words.split()]
