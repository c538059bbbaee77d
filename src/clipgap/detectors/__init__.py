"""The trained detector that ships with the package: where it is, without torch.

`mini_world/` is a Detector folder of the drawn world (docs/world.md): `model.safetensors`, `config.yaml`, and
`card.json` with the command, seed, world_seed, scores, sha256 (of the weights) and licence.
"""

from __future__ import annotations

from pathlib import Path

from clipgap.errors import WeightsError

MINI_WORLD = Path(__file__).parent / "mini_world"


def has_shipped() -> bool:
    """Whether this copy of the package holds the trained detector: its weights and its config."""
    return all((MINI_WORLD / name).is_file() for name in ("model.safetensors", "config.yaml"))


def shipped_detector() -> Path:
    """The folder of the trained detector.

    Raises:
        WeightsError: this copy of the package came without its weights.
    """
    if not has_shipped():
        raise WeightsError(
            "no detector named, and this copy of clipgap came without one: name a run folder before the pictures "
            "(`clipgap demo` makes two)"
        )
    return MINI_WORLD
