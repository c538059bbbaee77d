"""The settings of a run, typed and strict (`schema`), and how they are read (`load`)."""

from clipgap.config.load import load_config, load_data_config, preset_names, to_yaml, validate
from clipgap.config.schema import (
    AugmentConfig,
    BatchNorm,
    ClipConfig,
    DataConfig,
    DetectorConfig,
    DomainConfig,
    EvaluateConfig,
    FitConfig,
    ImageConfig,
    Metric,
    PromptsConfig,
    RunConfig,
    RunSection,
    Section,
    TrainConfig,
)

__all__ = [
    "AugmentConfig",
    "BatchNorm",
    "ClipConfig",
    "DataConfig",
    "DetectorConfig",
    "DomainConfig",
    "EvaluateConfig",
    "FitConfig",
    "ImageConfig",
    "Metric",
    "PromptsConfig",
    "RunConfig",
    "RunSection",
    "Section",
    "TrainConfig",
    "load_config",
    "load_data_config",
    "preset_names",
    "to_yaml",
    "validate",
]
