"""COCO: the JSON of a split."""

from __future__ import annotations

import json
from pathlib import Path

from tests.datasets import coco_tree, data_config, make_coco
from tests.fuzz.look import look
from tests.fuzz.target import Target

CAR = {"category_id": 3, "bbox": [1, 2, 20, 10], "area": 200, "iscrowd": 0}
OUTLINE = {"category_id": 90, "segmentation": [[1, 1, 9, 1, 9, 9]], "iscrowd": 1, "ignore": 1}


def seeds() -> list[bytes]:
    tree = coco_tree([CAR, OUTLINE])
    odd = coco_tree([{**CAR, "id": "118", "category_id": "3", "bbox": ["1", 2.5, 3, 4], "difficult": True}])
    odd["images"][0] |= {"id": "7", "width": "40", "height": 20.0}
    bare = {**coco_tree(), "annotations": None}
    bare["images"] = [{"id": 7, "file_name": "a.png"}]
    texts = [*map(json.dumps, (tree, odd, bare)), '{"images": ' + "[" * 3000, '[{"score": 1}]']
    return [text.encode() for text in texts]


def read(data: bytes, folder: Path) -> None:
    (folder / "annotations/instances_train.json").write_bytes(data)
    look(data_config(folder, "coco", train="train"))


COCO = Target(
    "coco",
    seeds,
    read,
    lambda folder: make_coco(folder, coco_tree()),
    (
        b'"id": ',
        b'"image_id": 7',
        b'"category_id": ',
        b'"file_name": "',
        b'"bbox": [',
        b'"segmentation": [[',
        b'"name": "',
        b"null",
        b"true",
        b"NaN",
        b"Infinity",
        b"{}",
        b"[]",
        b'"\\ud800"',
        b"\\u0000",
        b"\\u2028",
        b"../a.png",
        b"annotations",
    ),
)
