"""Does this machine have what clipgap needs?"""

from __future__ import annotations

import platform
from typing import NamedTuple

import torch

from clipgap import detectors
from clipgap.clip import cached_weights
from clipgap.clip.load import CACHE, names_with
from clipgap.engine.runtime import PACKAGES, version_of

EXTRAS = {
    "onnx": (
        ("onnx", "onnxruntime", "onnxscript"),
        "`clipgap export`, and its detectors in `evaluate`, `predict`, `web`",
    ),
    "tensorboard": (("tensorboard",), "`run.loggers: [tensorboard]`"),
    "web": (("gradio",), "`clipgap web`"),
    "siglip": (("transformers", "sentencepiece"), "`clip.name` of a SigLIP: its tokenizer"),
}
"""The optional parts of pyproject.toml: the packages of each, and what it gives."""


class Finding(NamedTuple):
    """One thing looked at: `state` is ok, missing (may be fine) or broken (clipgap cannot work)."""

    state: str
    what: str
    detail: str


def examine() -> list[Finding]:
    """Look at versions, optional packages, torchvision's compiled operators, the GPU, and the weights that are here."""
    python = Finding("ok", "python", platform.python_version())
    return [python, *_packages(), *_extras(), _operators(), _gpu(), _shipped(), *_weights()]


def _packages() -> list[Finding]:
    versions = {name: version_of(name) for name in PACKAGES}
    return [Finding("ok" if v else "broken", name, v or "not installed") for name, v in versions.items()]


def _extras() -> list[Finding]:
    found = []
    for name, (packages, gives) in EXTRAS.items():
        absent = [package for package in packages if version_of(package) is None]
        state = "missing" if absent else "ok"
        how = f"; pip install {' '.join(absent)}" if absent else ""
        found.append(Finding(state, f"extra `{name}`", f"{gives}{how}"))
    return found


def _operators() -> Finding:
    """A torch and a torchvision of different builds import well and fail at the first NMS."""
    try:
        from torchvision.ops import nms

        nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what the doctor is asked for)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        advice = "install torch and torchvision together: pip install --force-reinstall torch torchvision"
        return Finding("broken", "torchvision's operators", f"{reason}; {advice}")
    return Finding("ok", "torchvision's operators", "nms works")


def _gpu() -> Finding:
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return Finding("ok", "GPU", names)
    return Finding("missing", "GPU", f"none that torch {torch.__version__} can use; everything runs on the CPU, slowly")


def _shipped() -> Finding:
    what, folder = "detector of the drawn world", detectors.MINI_WORLD
    if detectors.has_shipped():
        return Finding("ok", what, str(folder))
    return Finding("missing", what, f"not in {folder}; `clipgap predict` needs a detector to be named")


def _weights() -> list[Finding]:
    findings = []
    for name in names_with("openai"):
        path = cached_weights(name, "openai")
        missing = f"not in {CACHE}; open_clip downloads them when they are first used, or set clip.file"
        findings.append(Finding("ok" if path else "missing", f"CLIP {name} / openai", str(path or missing)))
    return findings
