"""Options that several verbs share, and how they become a run config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.early import require_detector, require_settings_of_scoring
from clipgap.config import Device as DeviceName
from clipgap.config import RunConfig, load_config
from clipgap.engine.names import CONFIG
from clipgap.errors import ClipgapError

Config = Annotated[str, typer.Option("--config", "-c", help="Run config: a YAML file or a shipped preset's name.")]
Settings = Annotated[list[str], typer.Option("--set", "-s", help="key=value over the config; may be repeated.")]
Device = Annotated[DeviceName | None, typer.Option(help="Short for --set run.device=...")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Short for --set run.seed=...")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Workers = Annotated[int | None, typer.Option(min=0, max=1024, help="Short for --set run.workers=...")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from where an interrupted run stopped.")]
Proposals = Annotated[
    int | None, typer.Option(min=1, max=10**9, help="Of a picture, that are looked at; fewer are faster.")
]


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


def scored_on(
    run: Path, config: str | None, settings: list[str], device: DeviceName | None, workers: int | None
) -> RunConfig:
    """What a detector is scored on: the config that is named, or its run's own.

    Raises:
        ClipgapError: there is none.
        ConfigError: it is wrong, or a setting has no effect on scores.
        WeightsError: the folder holds no detector.
    """
    require_detector(run)
    if config is None and not (run / CONFIG).is_file():
        raise ClipgapError(f"{run}: has no {CONFIG} to say what to score; give --config")
    require_settings_of_scoring(settings, run)
    one = "run.devices=1"  # as many as the run was trained in are for who asks for them
    return resolve(config or str(run / CONFIG), [one, *settings], device, workers=workers)
