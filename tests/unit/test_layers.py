"""Imports only go down the floors of the house (DESIGN, section 1), and the public face is pinned."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import clipgap

SOURCE = Path(clipgap.__file__).parent
FLOORS = {
    "errors": 0,
    "unpickle": 0,
    "files": 1,
    "processes": 1,
    "group": 1,
    "config": 1,
    "weights": 1,
    "classes": 1,
    "detectors": 1,
    "parse": 0,
    "kinds": 0,
    "clip": 2,
    "prompts": 2,
    "data": 2,
    "metrics": 2,
    "corruptions": 2,
    "world": 3,
    "augment": 3,
    "diversify": 3,
    "detector": 4,
    "engine": 5,
    "export": 5,
    "report": 6,
    "web": 6,
    "cli": 7,
    "__main__": 8,
}


def modules() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_only_go_down(path: Path) -> None:
    own = path.relative_to(SOURCE).with_suffix("").parts[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("clipgap."):
                package = name.split(".")[1]
                down = package == own or FLOORS[package] < FLOORS[own]
                assert down, f"{own} (floor {FLOORS[own]}) imports {name} (floor {FLOORS[package]})"


def test_only_the_engine_knows_fabric_and_only_the_cli_knows_typer() -> None:
    for package, owner in (("lightning_fabric", "engine"), ("typer", "cli")):
        users = {p.relative_to(SOURCE).parts[0] for p in modules() if f"from {package}" in p.read_text()}
        users |= {p.relative_to(SOURCE).parts[0] for p in modules() if f"import {package}" in p.read_text()}
        assert users == {owner}


def test_the_public_face_is_this_and_every_name_is_there() -> None:
    assert clipgap.__all__ == [
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
    assert all(getattr(clipgap, name) is not None for name in clipgap.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        _ = clipgap.fits


def test_importing_clipgap_imports_nothing_heavy() -> None:
    code = "import sys, clipgap; print([m for m in ('torch', 'open_clip', 'supervision') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
