"""Verbs that set runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.early import require_folders
from clipgap.cli.options import Device, Json, Settings, Workers, scored_on
from clipgap.errors import ConfigError
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
    configs = {run: scored_on(run, config, settings, device, workers) for run in distinct(runs)}
    for one in configs.values():
        require_folders(one.data, one.data.domains)
    if csv:
        require_new_file(csv, "--csv")
        for one in configs.values():
            one.data.refuse_inside(csv, "--csv")
    from clipgap.cli.show import stdout
    from clipgap.report.comparison import Comparison
    from clipgap.report.comparison_table import render, write_csv
    from clipgap.report.series import score, series_of

    compared = Comparison(series_of(score(list(configs), configs.__getitem__)))
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
    require_new_file(out, "--out")
    configs = {run: scored_on(run, config, settings, device, workers) for run in distinct([*runs, *(upper or [])])}
    for one in configs.values():
        require_folders(one.data, one.data.domains)
        one.data.refuse_inside(out, "--out")
    from clipgap.cli.show import say
    from clipgap.report.comparison import Comparison
    from clipgap.report.page import write_report
    from clipgap.report.series import Series, score, series_of

    scored = score(list(configs), configs.__getitem__)
    bound = Series("upper bound", scored[len(runs) :]) if upper else None
    write_report(Comparison(series_of(scored[: len(runs)])), out, corruptions or [], bound)
    if as_json:
        typer.echo(json.dumps({"report": str(out)}))
    else:
        say(f"{out}: one file, {out.stat().st_size / 2**20:.1f} MB; open it in a browser")


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
