"""Run a detector over files and folders: COCO results and pictures with the boxes drawn in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from clipgap.data import read_image
from clipgap.data.files import images_under
from clipgap.engine.runtime import in_threads, progress_bar
from clipgap.errors import DataError
from clipgap.files import require_new, write_text, write_then_rename

if TYPE_CHECKING:
    import supervision


class Predictor(Protocol):
    """What can look at a picture: a `Detector`, or an exported one."""

    @property
    def classes(self) -> list[str]: ...
    def predict(self, images: Image.Image, /) -> supervision.Detections: ...


@dataclass(frozen=True)
class Predictions:
    """What a prediction wrote, and which files it could not read."""

    results: Path
    images: int
    detections: int
    unreadable: list[str]


def predict(
    detector: Predictor, inputs: Sequence[str | Path], out: Path, *, draw_score: float = 0.3, show: bool = True
) -> Predictions:
    """Detect in every image and write into `out`:

    `detections.json`   COCO results: image_id, category_id, bbox (x, y, w, h in pixels), score
    `images.json`       what the ids stand for: COCO's `images` and `categories`
    `drawn/...`         the images with the detections of at least `draw_score`

    Files are read and pictures drawn in threads beside the detector.

    Raises:
        DataError: nothing to read, or `out` holds something already.
    """
    files = find_images(inputs)
    require_new(out, "--out")
    paths = [out / "drawn" / name for name in _short_names(files)]
    results: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    unreadable = []

    def detected() -> Iterator[tuple[Image.Image, Any, Path]]:
        pictures = in_threads(_read, files, threads=1)  # one: `read_image` silences warnings, which threads share
        read = zip(files, paths, pictures, strict=True)
        for image_id, (file, path, picture) in enumerate(read, start=1):
            if isinstance(picture, DataError):
                unreadable.append(str(picture))
            else:
                found = detector.predict(picture)
                images.append(
                    {"id": image_id, "file_name": str(file), "width": picture.width, "height": picture.height}
                )
                results.extend(coco_results(image_id, found))
                yield picture, found[np.asarray(found.confidence) >= draw_score], path
            report()

    with progress_bar("predict", len(files), show=show) as report:
        for _ in in_threads(_draw, detected()):
            pass
    categories = [{"id": k, "name": name} for k, name in enumerate(detector.classes, start=1)]
    write_text(out / "images.json", json.dumps({"images": images, "categories": categories}, indent=1))
    write_text(out / "detections.json", json.dumps(results))
    return Predictions(out / "detections.json", len(images), len(results), unreadable)


def _read(file: Path) -> Image.Image | DataError:
    """The picture, or why there is none: one bad file does not end a folder."""
    try:
        return read_image(file)
    except DataError as error:
        return error


def find_images(inputs: Sequence[str | Path]) -> list[Path]:
    """The files named, and all images below the folders named; every file once, in that order.

    Raises:
        DataError: a path that is not there, or a folder without images.
    """
    found: list[Path] = []
    for path in map(Path, inputs):
        inside = images_under(path) if path.is_dir() else [path]
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
        if not inside:
            raise DataError(f"{path}: no images in this folder")
        found += inside
    return list(dict.fromkeys(found))


def coco_results(image_id: int, found: Any) -> list[dict[str, Any]]:
    """`supervision.Detections` of one image as COCO results; `category_id` counts from 1."""
    xywh = np.concatenate([found.xyxy[:, :2], found.xyxy[:, 2:] - found.xyxy[:, :2]], axis=1)
    return [
        {
            "image_id": image_id,
            "category_id": int(class_id) + 1,
            "bbox": [round(float(value), 2) for value in box],
            "score": round(float(score), 5),
        }
        for box, score, class_id in zip(xywh, found.confidence, found.class_id, strict=True)
    ]


def _draw(detected: tuple[Image.Image, Any, Path]) -> None:
    import supervision

    picture, found, path = detected
    labels = [f"{n} {s:.2f}" for n, s in zip(found.data["class_name"], found.confidence, strict=True)]
    thickness = max(1, round(min(picture.size) / 240))
    scene = supervision.BoxAnnotator(thickness=thickness).annotate(picture.copy(), found)
    scale = max(0.35, min(picture.size) / 1200)
    scene = supervision.LabelAnnotator(text_scale=scale, text_padding=3).annotate(scene, found, labels)
    write_then_rename(path, lambda temporary: scene.save(temporary, format="JPEG", quality=92))


def _short_names(files: list[Path]) -> list[str]:
    """A .jpg name for every file, numbered where two would be the same."""
    taken: set[str] = set()  # folded: some file systems do not tell A from a
    names = []
    for file in files:
        name, number = f"{file.stem}.jpg", 1
        while name.casefold() in taken:
            number += 1
            name = f"{file.stem}_{number}.jpg"
        taken.add(name.casefold())
        names.append(name)
    return names
