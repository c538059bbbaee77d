"""The settings of a run, typed and strict, a file for every group, and how they are read (`load`)."""

from clipgap.config.clip import CLIPS, SIGLIPS, TEXTLESS, TINY_CLIPS, ClipConfig
from clipgap.config.data import MEAN, DataConfig, DomainConfig, Format, PartConfig, Reading, Role, VocBoxes
from clipgap.config.detector import DetectorConfig, Neck
from clipgap.config.differing import differing, flat
from clipgap.config.idle import without_effect
from clipgap.config.jobs import (
    EvaluateConfig,
    FitConfig,
    ImageConfig,
    RunSection,
    TrainConfig,
)
from clipgap.config.levers import (
    DIVERSIFY,
    FEATURES,
    AlignConfig,
    AugmentConfig,
    AverageConfig,
    DiversifyConfig,
    TuneConfig,
)
from clipgap.config.load import load_config, load_data_config, preset_names, to_yaml, validate
from clipgap.config.prompts import PromptsConfig
from clipgap.config.schema import RunConfig
from clipgap.config.section import (
    BatchNorm,
    CorruptionName,
    DetectionPrecision,
    Device,
    GraphPrecision,
    Graphs,
    Metric,
    PredictFormat,
    Scoring,
    Section,
    Severity,
)

__all__ = [
    "CLIPS",
    "DIVERSIFY",
    "FEATURES",
    "MEAN",
    "SIGLIPS",
    "TEXTLESS",
    "TINY_CLIPS",
    "AlignConfig",
    "AugmentConfig",
    "AverageConfig",
    "BatchNorm",
    "ClipConfig",
    "CorruptionName",
    "DataConfig",
    "DetectionPrecision",
    "DetectorConfig",
    "Device",
    "DiversifyConfig",
    "DomainConfig",
    "EvaluateConfig",
    "FitConfig",
    "Format",
    "GraphPrecision",
    "Graphs",
    "ImageConfig",
    "Metric",
    "Neck",
    "PartConfig",
    "PredictFormat",
    "PromptsConfig",
    "Reading",
    "Role",
    "RunConfig",
    "RunSection",
    "Scoring",
    "Section",
    "Severity",
    "TrainConfig",
    "TuneConfig",
    "VocBoxes",
    "differing",
    "flat",
    "load_config",
    "load_data_config",
    "preset_names",
    "to_yaml",
    "validate",
    "without_effect",
]
