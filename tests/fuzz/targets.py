"""All targets by their names. A new one: a file beside this one, and its name here."""

from __future__ import annotations

from tests.fuzz.checkpoints import CHECKPOINTS
from tests.fuzz.clip import CLIP
from tests.fuzz.coco import COCO
from tests.fuzz.config import CONFIG
from tests.fuzz.images import IMAGES
from tests.fuzz.offsets import OFFSETS
from tests.fuzz.target import Target
from tests.fuzz.voc import VOC
from tests.fuzz.weights import PICKLES, WEIGHTS
from tests.fuzz.yolo_description import YOLO_DESCRIPTION
from tests.fuzz.yolo_labels import YOLO_LABELS

ALL = (VOC, COCO, YOLO_LABELS, YOLO_DESCRIPTION, CONFIG, OFFSETS, CHECKPOINTS, WEIGHTS, PICKLES, CLIP, IMAGES)
TARGETS: dict[str, Target] = {target.name: target for target in ALL}
