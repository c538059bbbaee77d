"""Where a verb takes a folder with a detector, it takes an exported one too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clipgap.errors import ClipgapError

if TYPE_CHECKING:
    from clipgap.export import OnnxDetector


def load_exported(folder: Path, device: str | None) -> OnnxDetector | None:
    """The detector that `clipgap export` wrote into a folder; None where it is a folder of another kind.

    Raises:
        ClipgapError: `--device` asks for another one than the CPU.
    """
    from clipgap.export import OnnxDetector, is_exported

    if not is_exported(folder):
        return None
    if device not in (None, "auto", "cpu"):
        raise ClipgapError(f"--device {device}: an exported detector runs on the CPU; leave --device out")
    return OnnxDetector.load(folder)
