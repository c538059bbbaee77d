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

    refuse_device(folder, device)
    return OnnxDetector.load(folder) if is_exported(folder) else None


def refuse_device(folder: Path, device: str | None) -> None:
    """Make sure that an exported detector is not asked to run elsewhere than on the CPU.

    Raises:
        ClipgapError: it is.
    """
    if device in (None, "auto", "cpu"):
        return
    from clipgap.export import is_exported

    if is_exported(folder):
        raise ClipgapError(f"--device {device}: an exported detector runs on the CPU; leave --device out")
