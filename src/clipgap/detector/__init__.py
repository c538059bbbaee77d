"""The detector: a Faster R-CNN whose backbone, box head and classifier come from CLIP."""
