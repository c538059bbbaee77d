"""The detector: a Faster R-CNN whose backbone, box head and classifier come from CLIP."""

from clipgap.detector.model import Detector
from clipgap.detector.pictures import ImageLike, as_seen, to_supervision
from clipgap.detector.spec import DetectorSpec

__all__ = ["Detector", "DetectorSpec", "ImageLike", "as_seen", "to_supervision"]
