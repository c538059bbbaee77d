"""clipgap: object detectors that keep working when the conditions change.

    run = clipgap.train(clipgap.load_config("recipes/photos.yaml", ["augment.file=aug.safetensors"]))
    detector = clipgap.Detector.load(run.path)
    table = clipgap.evaluate(detector, clipgap.load_domains("recipes/photos.yaml"))

Everything here is imported when it is first used, so that `import clipgap` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipgap.augment import SemanticAugmentations
    from clipgap.clip import Clip, load_clip
    from clipgap.config import RunConfig, load_config
    from clipgap.data import load_domains
    from clipgap.detector import Detector
    from clipgap.engine.evaluate import evaluate
    from clipgap.engine.fit import fit
    from clipgap.engine.train import train
    from clipgap.errors import ClipgapError
    from clipgap.prompts import PromptSet

__version__ = "0.1.0"

_HOMES = {
    "Clip": "clipgap.clip",
    "ClipgapError": "clipgap.errors",
    "Detector": "clipgap.detector",
    "PromptSet": "clipgap.prompts",
    "RunConfig": "clipgap.config",
    "SemanticAugmentations": "clipgap.augment",
    "evaluate": "clipgap.engine.evaluate",
    "fit": "clipgap.engine.fit",
    "load_clip": "clipgap.clip",
    "load_config": "clipgap.config",
    "load_domains": "clipgap.data",
    "train": "clipgap.engine.train",
}

__all__ = [
    "Clip",
    "ClipgapError",
    "Detector",
    "PromptSet",
    "RunConfig",
    "SemanticAugmentations",
    "evaluate",
    "fit",
    "load_clip",
    "load_config",
    "load_domains",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'clipgap' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
