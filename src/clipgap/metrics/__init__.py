"""Scores: VOC AP, COCO AP and the per-domain table."""

from collections.abc import Sequence

from clipgap.config import EvaluateConfig
from clipgap.metrics.coco import CocoAP
from clipgap.metrics.result import Result
from clipgap.metrics.robustness import RobustnessTable
from clipgap.metrics.table import DomainScore, Role, ScoreTable
from clipgap.metrics.voc import VocAP

__all__ = ["CocoAP", "DomainScore", "Result", "RobustnessTable", "Role", "ScoreTable", "VocAP", "make_metric"]


def make_metric(config: EvaluateConfig, classes: Sequence[str]) -> VocAP | CocoAP:
    """The metric that the settings name."""
    if config.metric == "coco":
        return CocoAP(classes)
    return VocAP(classes, config.iou, config.metric, config.scoring)
