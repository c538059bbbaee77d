"""Scores: VOC AP, COCO AP and the per-domain table."""
