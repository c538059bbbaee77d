"""Options that several verbs share, and how they become a run config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipgap.config import Device as DeviceName
from clipgap.config import RunConfig, load_config
from clipgap.errors import ConfigError

OF_SCORING = ("data", "evaluate", "run")
"""Sections of a run config that `evaluate` reads."""
Config = Annotated[str, typer.Option("--config", "-c", help="Run config: a YAML file or a shipped preset's name.")]
Settings = Annotated[list[str], typer.Option("--set", "-s", help="key=value over the config; may be repeated.")]
Device = Annotated[DeviceName | None, typer.Option(help="Short for --set run.device=...")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Short for --set run.seed=...")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Workers = Annotated[int | None, typer.Option(min=0, max=1024, help="Short for --set run.workers=...")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from where an interrupted run stopped.")]


def overrides(
    settings: list[str], device: DeviceName | None, seed: int | None, workers: int | None = None
) -> list[str]:
    """`--device`, `--seed` and `--workers` as the settings they are short for."""
    short = {"run.device": device, "run.seed": seed, "run.workers": workers}
    return [*settings, *(f"{key}={value}" for key, value in short.items() if value is not None)]


def resolve(
    config: str,
    settings: list[str],
    device: DeviceName | None = None,
    seed: int | None = None,
    workers: int | None = None,
) -> RunConfig:
    """The run config that a command line describes."""
    return load_config(config, overrides(settings, device, seed, workers))


def require_settings_of_scoring(settings: list[str], run: Path) -> None:
    """Refuse what a detector that is there already has of its own, and no `--set` could change any more.

    Raises:
        ConfigError: a setting that scoring does not read.
    """
    for one in settings:
        key = one.partition("=")[0]
        section = key.partition(".")[0]
        if section in RunConfig.model_fields and section not in OF_SCORING:
            raise ConfigError(
                f"--set {key}: has no effect on scores: the detector was made with its own, which is in "
                f"{run}/config.yaml; settings of {', '.join(OF_SCORING)} count here"
            )
