"""Verbs that set runs side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.early import distinct, require_folders
from clipgap.cli.exported import refuse_device
from clipgap.cli.options import Device, Json, Settings, Workers, scored_on
from clipgap.config import RunConfig
from clipgap.errors import ConfigError, Interrupted
from clipgap.files import require_new_file

Runs = Annotated[list[Path], typer.Argument(help="Run folders; imported and exported detectors with --config.")]
ScoredOn = Annotated[
    str | None, typer.Option("--config", "-c", help="Run config that all are scored on; each run's own by default.")
]


def compare(
    runs: Runs,
    config: ScoredOn = None,
    settings: Settings = [],  # noqa: B006 (typer's way)
    csv: Annotated[Path | None, typer.Option(help="Also write the figures to this file.")] = None,
    workers: Workers = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Set runs side by side: the first against every other, seeds of one setting together."""
    if len(runs) < 2:
        raise ConfigError("compare sets at least two runs side by side: name another one")
    configs = _scored_on(runs, config, settings, device, workers)
    if csv:
        _require_new(csv, "--csv", configs)
    from clipgap.cli.show import stdout
    from clipgap.report.comparison import Comparison
    from clipgap.report.comparison_table import render, write_csv
    from clipgap.report.series import run_of, score, series_of

    known = [run_of(run) for run in runs]
    series_of(known)  # what it refuses is told before anything is detected
    with _kept():
        compared = Comparison(series_of(score(known, configs.__getitem__)))
    if as_json:
        typer.echo(json.dumps(compared.to_json()))
    else:
        stdout.print(render(compared))
    if csv:
        write_csv(compared, csv)


def report(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="New HTML file.")] = Path("report.html"),
    config: ScoredOn = None,
    settings: Settings = [],  # noqa: B006
    upper: Annotated[
        list[Path] | None, typer.Option(help="A run that was trained on the targets too: the upper bound.")
    ] = None,
    corruptions: Annotated[
        list[Path] | None, typer.Option(help="Results of evaluate --corruptions --out, of one of the runs.")
    ] = None,
    workers: Workers = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Write one HTML file: what was won and where, what errors are made of, and pictures of all domains."""
    configs = _scored_on([*runs, *(upper or [])], config, settings, device, workers)
    _require_new(out, "--out", configs)
    from clipgap.cli.show import say
    from clipgap.report.comparison import Comparison
    from clipgap.report.heat import heat_of
    from clipgap.report.page import require_few, write_report
    from clipgap.report.series import Series, run_of, score, series_of

    known = [run_of(run) for run in configs]
    series = series_of(known[: len(runs)])
    require_few(series)
    first = configs[runs[0]]
    heat = [heat_of(folder, series, first.evaluate.by(first.data.source.metric)) for folder in corruptions or []]
    with _kept():
        scored = score(known, configs.__getitem__)
    bound = Series("upper bound", scored[len(runs) :]) if upper else None
    write_report(Comparison(series_of(scored[: len(runs)])), out, heat, bound)
    if as_json:
        typer.echo(json.dumps({"report": str(out)}))
    else:
        say(f"{out}: one file, {out.stat().st_size / 2**20:.1f} MB; open it in a browser")


def _scored_on(
    runs: list[Path], config: str | None, settings: list[str], device: Device, workers: int | None
) -> dict[Path, RunConfig]:
    """What every detector is scored on, in this one process.

    Raises:
        ClipgapError: as `scored_on`, or a folder is named twice, or its data are not there.
    """
    found = {run: scored_on(run, config, settings, device, workers) for run in distinct(runs)}
    for run, one in found.items():
        if one.run.devices > 1:
            raise ConfigError("--set run.devices: here one process scores; `clipgap evaluate` takes several")
        require_folders(one.data, one.data.domains)
        refuse_device(run, device)
    return found


@contextmanager
def _kept() -> Iterator[None]:
    """Around what goes on by itself when it is asked for again."""
    try:
        yield
    except KeyboardInterrupt as error:
        number = getattr(error, "signal", 0)
        raise Interrupted("stopped; what was detected is kept", resume=False, signal=number) from None


def _require_new(file: Path, option: str, configs: dict[Path, RunConfig]) -> None:
    """Make sure that a result is written over nothing, and into nobody's data."""
    require_new_file(file, option)
    for one in configs.values():
        one.data.refuse_inside(file, option)
