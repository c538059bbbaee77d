"""What can be seen without torch: mistakes, told before it is loaded, and which detector a folder holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clipgap.config import DataConfig, DomainConfig, RunConfig, load_data_config
from clipgap.engine.names import CONFIG, EXPORTED
from clipgap.errors import ConfigError, WeightsError

OF_SCORING = ("data", "evaluate", "run")
"""Sections of a run config that `evaluate` reads."""
OF_DETECTORS = ("config.yaml", EXPORTED)
"""What tells a detector's settings, of a run or by itself, and exported."""


def require_folders(data: DataConfig, domains: Iterable[DomainConfig]) -> None:
    """Make sure that the folders of domains are there.

    Raises:
        DataError: one is not.
    """
    for domain in domains:
        for part in domain.parts or [domain]:
            data.existing_folder(domain, part)


def require_clip_file(config: RunConfig) -> None:
    """Make sure that the file of CLIP's weights is there, where the settings name one.

    Raises:
        WeightsError: it is not.
    """
    if config.clip.file and not Path(config.clip.file).is_file():
        raise WeightsError(f"{config.clip.file}: no such file of weights; correct clip.file")


def require_offsets(config: RunConfig) -> None:
    """Make sure that the file of semantic augmentations is there, where one is used.

    Raises:
        WeightsError: it is not.
    """
    offsets = config.augment.file
    if offsets and config.augment.offsets and not Path(offsets).is_file():
        raise WeightsError(f"{offsets}: no such file of semantic augmentations; `clipgap fit` makes one")


def holds_detector(folder: Path) -> bool:
    """Whether a folder may hold a detector: of a run, by itself, or exported."""
    return any((folder / name).is_file() for name in OF_DETECTORS)


def require_detector(folder: Path) -> None:
    """Make sure that a folder may hold a detector.

    Raises:
        WeightsError: it is none, or holds no detector.
    """
    if not folder.is_dir():
        raise WeightsError(f"{folder}: no such folder; give a run folder, a Detector folder, or an exported one")
    if not holds_detector(folder):
        raise WeightsError(
            f"{folder}: holds no detector (config.yaml of a run or Detector folder, detector.json of an exported one)"
        )


def require_settings_of_scoring(settings: list[str], run: Path) -> None:
    """Refuse what a detector that is there already has of its own, and no `--set` could change any more.

    Raises:
        ConfigError: a setting that scoring does not read.
    """
    for one in settings:
        key = one.partition("=")[0]
        section = key.partition(".")[0]
        if section in RunConfig.model_fields and section not in OF_SCORING:
            own = next(run / name for name in OF_DETECTORS if (run / name).is_file())
            raise ConfigError(
                f"--set {key}: has no effect on scores: the detector was made with its own, which is in {own}; "
                f"settings of {', '.join(OF_SCORING)} count here"
            )


def distinct(runs: list[Path]) -> list[Path]:
    """The folders.

    Raises:
        ConfigError: one is named twice.
    """
    seen: dict[Path, Path] = {}
    for run in runs:
        if (twin := seen.setdefault(run.resolve(), run)) is not run:
            raise ConfigError(f"{run}: is named twice ({twin}): leave one of them out")
    return runs


def trained_on(run: Path) -> DataConfig | None:
    """The data of a detector's run, where that says which; they need not be there any more."""
    try:
        data = load_data_config(run / CONFIG)
        _ = [data.folder(domain, part) for domain in data.domains for part in domain.parts or [domain]]
    except ConfigError:
        return None
    return data
