"""The wheel, installed as a user installs it: into a new environment with all that it needs, away from this tree.

    python -m tests.wheel

`make test-wheel` does it. It needs the network and room for PyTorch with its CUDA libraries, and takes minutes. What is
in the wheel is looked at in seconds, by tests/integration/test_wheel.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

ROOT = Path(__file__).parents[1]


def build(folder: Path, tree: Path = ROOT) -> Path:
    """The wheel of a tree, in a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, environment: Path) -> None:
    """A new environment with the wheel and its dependencies."""
    venv.create(environment, with_pip=True)
    run(environment.parent, environment / "bin/python", "-m", "pip", "install", "--quiet", wheel)


def use(environment: Path, away: Path) -> None:
    """What the README begins with, from an empty folder.

    Raises:
        SystemExit: it is not the installed package that is used, or its detector finds nothing in a drawn street.
    """
    away.mkdir()
    where = run(away, environment / "bin/python", "-c", "import clipgap; print(clipgap.__file__)")
    if not Path(where).is_relative_to(environment):
        raise SystemExit(f"{where}: not of the environment {environment}")
    clipgap = environment / "bin/clipgap"
    run(away, clipgap, "doctor")
    run(away, clipgap, "demo", "--quick", "--out", "demo")
    picture = min((away / "demo/world/daytime_foggy").rglob("*.jpg"))
    run(away, clipgap, "predict", picture.relative_to(away), "--out", "predictions")
    detections = json.loads((away / "predictions/detections.json").read_text(encoding="utf-8"))
    if not any(one["score"] > 0.5 for one in detections):
        raise SystemExit(f"{picture}: the detector that ships finds nothing in it")


def run(folder: Path, *words: object) -> str:
    """Run a command in a folder, with nothing on Python's path but what is installed; its last line.

    Raises:
        SystemExit: it fails.
    """
    command = [str(word) for word in words]
    print("$", *command, flush=True)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    begin = monotonic()
    done = subprocess.run(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True, check=False)
    print(f"{done.stdout}({monotonic() - begin:.0f} s)", flush=True)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}")
    return (done.stdout.splitlines() or [""])[-1]


def main() -> None:
    """Build, install, use; nothing is left behind."""
    with TemporaryDirectory(prefix="clipgap_wheel_") as name:
        folder = Path(name).resolve()
        wheel = build(folder)
        install(wheel, folder / "environment")
        use(folder / "environment", folder / "away")
    print(f"{wheel.name}: installed and used")


if __name__ == "__main__":
    main()
