"""Odd COCO sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.datasets import coco_tree, draw
from tests.robustness.row import DataRow

BOX = {"category_id": 3, "bbox": [1, 2, 10, 5]}
Change = Callable[[dict[str, Any]], object]


def coco(change: Change = lambda tree: None, boxes: list[dict[str, Any]] | None = None) -> Callable[[Path], None]:
    """One image of 40 x 20 and its boxes, after a change to the tree."""

    def make(root: Path) -> None:
        tree = coco_tree([BOX] if boxes is None else boxes)
        draw(root / "a.png")
        change(tree)
        (root / "train.json").write_text(json.dumps(tree), encoding="utf-8")

    return make


def raw(content: str | bytes) -> Callable[[Path], object]:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda root: (root / "train.json").write_bytes(data)


def box(**keys: Any) -> Callable[[Path], None]:
    """A box with other or more keys."""
    return coco(boxes=[BOX | keys])


def image(**keys: Any) -> Callable[[Path], None]:
    """The image with other or more keys."""
    return coco(lambda tree: tree["images"][0].update(keys))


def laid_out(file: str, picture: str) -> Callable[[Path], object]:
    def make(root: Path) -> None:
        draw(root / picture)
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(json.dumps(coco_tree([BOX])))

    return make


COCO = (
    DataRow('ids as text and decimals: `"7"`, `7.0`', box(image_id="7", category_id=3.0), boxes=1),
    DataRow("width and height as decimals or text", image(width="40", height=20.0), boxes=1),
    DataRow(
        "a size that is no size", image(width="wide"), "image 7: its width is 'wide': write the image's, in pixels"
    ),
    DataRow("`iscrowd`, `ignore`, `difficult` as text, numbers, words", box(iscrowd="1", ignore="true"), boxes=1),
    DataRow(
        "backslashes in `file_name`",
        lambda root: (coco(lambda tree: tree["images"][0].update(file_name="x\\a.png"))(root), draw(root / "x/a.png")),
        boxes=1,
    ),
    DataRow("Roboflow's layout", laid_out("train/_annotations.coco.json", "train/a.png"), boxes=1),
    DataRow(
        "`person_keypoints_train.json`",
        laid_out("annotations/person_keypoints_train.json", "images/train/a.png"),
        boxes=1,
    ),
    DataRow(
        "images in a folder of any name (`images:`)",
        laid_out("train.json", "my pictures/a.png"),
        boxes=1,
        source={"images": "my pictures"},
    ),
    DataRow(
        "a folder that is named and not there",
        coco(),
        "set/pictures: no such folder: correct `images` of domain day",
        source={"images": "pictures"},
    ),
    DataRow(
        "boxes relative to the image, 0 to 1",
        box(bbox=[0.1, 0.1, 0.5, 0.5]),
        "all 1 boxes are within 0 to 1: COCO's are in pixels; multiply them by their images' sizes",
    ),
    DataRow(
        "a negative width", box(bbox=[9, 2, -3, 4]), "the width of its `bbox` is negative (-3): correct or remove it"
    ),
    DataRow(
        "a box that is no box",
        box(bbox=[1, 2, 3]),
        "expected `bbox` of four numbers, x, y, width, height, got [1, 2, 3]",
    ),
    DataRow("an outline and no box", box(bbox=None, segmentation=[[1, 2, 11, 2, 11, 7]]), boxes=1),
    DataRow("a box beyond any image", box(bbox=[1, 1, 1e30, 5]), "it is beyond any image; correct or remove it"),
    DataRow("a box outside of its image", box(bbox=[90, 90, 5, 5]), "it is outside; correct or remove it"),
    DataRow("a box that reaches out", box(bbox=[30, 2, 20, 5]), "it reaches out; clipped", 0, 1),
    DataRow("a box without area", box(bbox=[3, 3, 0, 4]), "it has no area; left out", 0, 0),
    DataRow(
        "the same box again",
        coco(boxes=[BOX, BOX]),
        "repeats annotation 100: the same class and corners again: left out",
        0,
        1,
    ),
    DataRow(
        "a category that is not there",
        box(category_id=4),
        "annotation 100: its category_id 4 is not one of `categories`",
    ),
    DataRow("a box of no image", box(image_id=8), "annotation 100: image_id 8: there is no image with its image_id"),
    DataRow(
        "an image that is not there",
        image(file_name="b.png"),
        "image 7: b.png: there is no such image in the data set's folder: add it, or name the folder with `images`",
    ),
    DataRow(
        "5,000 images that are not there: one line",
        coco(
            lambda tree: tree.update(images=[{"id": n, "file_name": f"{n}.png"} for n in range(5000)], annotations=[])
        ),
        "5000 times: there is no such image in the data set's folder: add it, or name the folder with `images`",
    ),
    DataRow(
        "two images of one id",
        coco(lambda tree: tree["images"].append(tree["images"][0])),
        "its id is there twice: give every image its own",
    ),
    DataRow(
        "an image outside of the data set",
        lambda root: (image(file_name="../b.png")(root), draw(root.parent / "b.png")),
        "is outside of the data set's folder set: move it there, correct the name, or set outside_root: allow",
    ),
    DataRow(
        "the same, allowed",
        lambda root: (image(file_name="../b.png")(root), draw(root.parent / "b.png")),
        boxes=1,
        source={"outside_root": "allow"},
    ),
    DataRow(
        "control characters in a name", image(file_name="a\0\n.png"), "image 7: a\\x00\\n.png: there is no such image"
    ),
    DataRow(
        "detections instead of annotations",
        raw('[{"image_id": 1, "score": 0.5}]'),
        "holds detections (a list with scores), not annotations",
    ),
    DataRow("JSON nested too deeply", raw("[" * 100_000), "train.json: not valid JSON (nested too deeply)"),
    DataRow("JSON that breaks off", raw('{"images": ['), "train.json, line 1: not valid JSON"),
    DataRow("JSON of something else", raw("null"), "expected COCO's lists `images`, `annotations` and `categories`"),
    DataRow("UTF-16", raw("{}".encode("utf-16")), "train.json: not UTF-8 text: save it as UTF-8"),
    DataRow("a split that is not there", coco(), "no such split: none of", source={"train": "test"}),
    DataRow(
        "a class that no box has", coco(), "without a box of person: nothing can be learnt about these classes", 0, 1
    ),
    DataRow(
        "no box of a class looked for",
        coco(lambda tree: tree["categories"][0].update(name="auto")),
        "no box is of one of `classes`; the set's own names are: 'auto'; map them with `rename`",
    ),
    DataRow("no images", coco(lambda tree: tree.update(images=[], annotations=[])), "split train: has no images"),
    DataRow(
        "validation and training share images", coco(), "1 images are trained on too", source={"val": "train.json"}
    ),
    DataRow(
        "a domain without `val` and `test`",
        coco(),
        "domain day: has no `val` (nor `test`): training keeps the last weights",
        0,
        1,
    ),
)
