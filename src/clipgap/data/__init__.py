"""Data sets: readers (VOC, COCO, YOLO), images, domains, transforms, check and convert."""

from clipgap.config import Format
from clipgap.data.check import check
from clipgap.data.check_report import CheckReport, SplitReport
from clipgap.data.coco import read_coco
from clipgap.data.convert import convert
from clipgap.data.dataset import DetectionDataset, Sample, Target
from clipgap.data.domains import Domain, Domains, load_domains, load_split
from clipgap.data.images import displayed_size, read_image
from clipgap.data.records import Annotation, Fault, ImageRecord
from clipgap.data.transforms import (
    as_numbers,
    flip,
    random_crop,
    resize,
    resize_size,
    resize_square,
    to_bytes,
    to_tensor,
)
from clipgap.data.voc import read_voc
from clipgap.data.yolo import read_yolo

__all__ = [
    "Annotation",
    "CheckReport",
    "DetectionDataset",
    "Domain",
    "Domains",
    "Fault",
    "Format",
    "ImageRecord",
    "Sample",
    "SplitReport",
    "Target",
    "as_numbers",
    "check",
    "convert",
    "displayed_size",
    "flip",
    "load_domains",
    "load_split",
    "random_crop",
    "read_coco",
    "read_image",
    "read_voc",
    "read_yolo",
    "resize",
    "resize_size",
    "resize_square",
    "to_bytes",
    "to_tensor",
]
