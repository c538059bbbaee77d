"""Scores: VOC AP, COCO AP and the per-domain table."""

from collections.abc import Sequence

from clipgap.config import Metric
from clipgap.metrics.coco import CocoAP
from clipgap.metrics.result import Result
from clipgap.metrics.table import DomainScore, Role, ScoreTable
from clipgap.metrics.voc import VocAP

__all__ = ["CocoAP", "DomainScore", "Result", "Role", "ScoreTable", "VocAP", "make_metric"]


def make_metric(metric: Metric, classes: Sequence[str], iou: float) -> VocAP | CocoAP:
    """The metric that the settings name; `iou` is for the VOC ones."""
    return CocoAP(classes) if metric == "coco" else VocAP(classes, iou, metric)
