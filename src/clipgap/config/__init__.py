"""The settings of a run, typed and strict, a file for every group, and how they are read (`load`)."""

from clipgap.config.data import DataConfig, DomainConfig, Format, PartConfig, PromptsConfig, Reading, Role, VocBoxes
from clipgap.config.detector import DetectorConfig
from clipgap.config.jobs import (
    CLIPS,
    TEXTLESS,
    AugmentConfig,
    ClipConfig,
    EvaluateConfig,
    FitConfig,
    ImageConfig,
    RunSection,
    TrainConfig,
)
from clipgap.config.load import load_config, load_data_config, preset_names, to_yaml, validate
from clipgap.config.schema import RunConfig
from clipgap.config.section import BatchNorm, DetectionPrecision, Device, Metric, Scoring, Section

__all__ = [
    "CLIPS",
    "TEXTLESS",
    "AugmentConfig",
    "BatchNorm",
    "ClipConfig",
    "DataConfig",
    "DetectionPrecision",
    "DetectorConfig",
    "Device",
    "DomainConfig",
    "EvaluateConfig",
    "FitConfig",
    "Format",
    "ImageConfig",
    "Metric",
    "PartConfig",
    "PromptsConfig",
    "Reading",
    "Role",
    "RunConfig",
    "RunSection",
    "Scoring",
    "Section",
    "TrainConfig",
    "VocBoxes",
    "load_config",
    "load_data_config",
    "preset_names",
    "to_yaml",
    "validate",
]
