"""Figures of the published corruptions on one drawn picture, to compare ours with: `corruption_figures.json`.

Written in an environment of its own, which needs nothing of clipgap's:

    python -m venv /tmp/published && /tmp/published/bin/pip install imagecorruptions-imaug==1.1.5
    /tmp/published/bin/python tests/parity/corruption_figures.py
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

FILE = Path(__file__).with_suffix(".json")
RUNS = 60
"""Of a random corruption, whose figures are means over these."""
PROBES = [(y, x) for y in (5, 60, 97, 150) for x in (7, 101, 160, 283)]
"""Pixels (row, column) whose values are kept."""


def picture() -> npt.NDArray[np.uint8]:
    """A street of sorts (192, 320, 3): smooth sky and ground, sharp boxes, fine stripes, black, white and grey."""
    y, x = np.mgrid[0:192, 0:320].astype(float)
    image = np.stack([90 + 60 * np.sin(x / 37), 110 + y / 3 + 20 * np.cos(x / 11), 200 - 0.7 * y], axis=2)
    for top, left, height, width, colour in (
        (80, 30, 60, 80, (180, 30, 40)),
        (95, 150, 40, 30, (20, 60, 160)),
        (60, 220, 90, 70, (128, 128, 128)),
        (140, 120, 30, 60, (0, 0, 0)),
        (20, 250, 30, 40, (255, 255, 255)),
    ):
        image[top : top + height, left : left + width] = colour
    image[100:120, 40:100] = np.where((np.arange(60) // 3 % 2)[None, :, None], 240, 15)
    return np.clip(image, 0, 255).astype(np.uint8)


def figures(corrupted: list[npt.NDArray[np.uint8]]) -> dict[str, object]:
    """Means of each channel, of how much values change, and of how much they differ from the next in their row."""
    before, after = picture().astype(float), np.stack(corrupted).astype(float)
    return {
        "mean": [round(float(value), 2) for value in after.mean((0, 1, 2))],
        "change": round(float(np.abs(after - before).mean()), 2),
        "rough": round(float(np.abs(np.diff(after, axis=2)).mean()), 2),
    }


def main() -> None:
    """Write the file."""
    from imagecorruptions import corrupt, get_corruption_names

    found: dict[str, object] = {"package": f"imagecorruptions-imaug {metadata.version('imagecorruptions-imaug')}"}
    found["versions"] = {name: metadata.version(name) for name in ("numpy", "scipy", "scikit-image", "opencv-python")}
    for name in get_corruption_names("all"):
        by_severity: dict[int, dict[str, object]] = {}
        for severity in range(1, 6):
            np.random.seed(severity)
            made = [corrupt(picture(), severity, name) for _ in range(RUNS)]
            by_severity[severity] = figures(made)
            if not (made[0] != made[1]).any():  # nothing in it is random
                by_severity[severity]["probes"] = [made[0][place].tolist() for place in PROBES]
        found[name] = by_severity
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
    FILE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
