"""What a data set costs before the first step: seconds and memory of its index, by format and number of images.

    python -m benchmarks.scaling [--images N] [--out FILE.json]

Every figure comes from a fresh process that has read a few images first. Every image has 12 boxes; all are links to one
file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.memory import own_memory

BOXES, FEW = 12, 20
SIDES = (1280, 720)
FORMS = ("voc", "coco", "yolo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--images", type=int, default=5000, help="of the smaller set; the larger has four times as many"
    )
    parser.add_argument("--out", type=Path, help="a JSON of everything measured")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        form, count, folder = options.one
        print(json.dumps(measure(form, int(count), Path(folder))))
        return
    rows = []
    for form in FORMS:
        for count in (options.images, 4 * options.images):
            with tempfile.TemporaryDirectory() as folder:
                draw(Path(folder), form, FEW, "few")
                draw(Path(folder), form, count, "many")
                command = [sys.executable, "-m", "benchmarks.scaling", "--one", form, str(count), folder]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                rows.append({"form": form, "images": count, **json.loads(said)})
    print(table(rows))
    if options.out:
        options.out.write_text(json.dumps({"command": "python -m benchmarks.scaling", "rows": rows}, indent=1))


def draw(folder: Path, form: str, count: int, name: str) -> None:
    """A data set `folder/name` of so many images."""
    from PIL import Image

    root = folder / name
    for part in ("images/train", "labels/train", "JPEGImages", "Annotations", "ImageSets/Main", "annotations"):
        (root / part).mkdir(parents=True)
    one = folder / f"{name}.jpg"
    Image.new("RGB", SIDES, "gray").save(one)
    pictures = root / {"voc": "JPEGImages", "coco": "images", "yolo": "images/train"}[form]
    stems = [f"image_{number:08d}" for number in range(count)]
    for stem in stems:
        os.link(one, pictures / f"{stem}.jpg")
    {"voc": _voc, "coco": _coco, "yolo": _yolo}[form](root, stems)


def _voc(root: Path, stems: list[str]) -> None:
    size = f"<size><width>{SIDES[0]}</width><height>{SIDES[1]}</height></size>"
    for stem in stems:
        boxes = "".join(
            "<object><name>car</name>"
            f"<bndbox><xmin>{x}</xmin><ymin>9</ymin><xmax>{x + 50}</xmax><ymax>60</ymax></bndbox></object>"
            for x in range(1, 1 + 90 * BOXES, 90)
        )
        (root / "Annotations" / f"{stem}.xml").write_text(f"<annotation>{size}{boxes}</annotation>")
    (root / "ImageSets/Main/train.txt").write_text("\n".join(stems))


def _yolo(root: Path, stems: list[str]) -> None:
    lines = "".join(f"0 {(number + 0.5) / BOXES:.4f} 0.5 0.05 0.1\n" for number in range(BOXES))
    for stem in stems:
        (root / "labels/train" / f"{stem}.txt").write_text(lines)
    (root / "data.yaml").write_text("train: images/train\nnames: [car]\n")


def _coco(root: Path, stems: list[str]) -> None:
    sizes = {"width": SIDES[0], "height": SIDES[1]}
    images: list[dict[str, Any]] = [{"id": i, "file_name": f"{stem}.jpg", **sizes} for i, stem in enumerate(stems)]
    boxes = [
        {"id": i * BOXES + k, "image_id": i, "category_id": 1, "bbox": [90 * k, 9, 50, 50], "area": 2500, "iscrowd": 0}
        for i in range(len(stems))
        for k in range(BOXES)
    ]
    tree = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "car"}]}
    (root / "annotations/instances_train.json").write_text(json.dumps(tree))


def measure(form: str, count: int, folder: Path) -> dict[str, float]:
    """Microseconds and bytes of memory, per image, of reading a data set's index."""
    index(form, folder / "few")
    before, start = own_memory(), time.perf_counter()
    dataset = index(form, folder / "many")
    seconds, after = time.perf_counter() - start, own_memory()
    assert len(dataset) == count
    return {"microseconds": seconds / count * 1e6, "bytes": (after - before) / count}


def index(form: str, root: Path) -> Any:
    """The training split of a data set."""
    from clipgap.config import DataConfig
    from clipgap.data import load_domains

    places = {"voc": "train", "coco": "train", "yolo": "train"}
    source = {"name": "day", "format": form, "root": str(root), "train": places[form]}
    return load_domains(DataConfig.model_validate({"classes": ["car"], "source": source})).source.train


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| format | images | µs an image | memory, bytes an image |",
        "|---|---|---|---|",
    ]
    for row in rows:
        figures = (f"{row[key]:,.0f}" for key in ("microseconds", "bytes"))
        lines.append(f"| {row['form']} | {row['images']:,} | {' | '.join(figures)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
