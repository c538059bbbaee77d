"""Verbs that draw what is on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.early import distinct, trained_on
from clipgap.cli.options import Json
from clipgap.engine.names import METRICS
from clipgap.errors import ConfigError, DataError
from clipgap.files import require_new_file

MOST = 6
"""Runs that have marks of their own in a terminal."""
app = typer.Typer(help="Draw what is on record.", no_args_is_help=True)


@app.callback()
def _plot() -> None:
    """Draw what is on record."""


@app.command()
def metrics(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path | None, typer.Option(help="New PNG, in place of the terminal.")] = None,
    as_json: Json = False,
) -> None:
    """Draw losses and validation scores over the steps."""
    if len(runs) > MOST:
        raise ConfigError(f"a plot has marks for {MOST} runs, not {len(runs)}: name fewer")
    for run in distinct(runs):
        if not (run / METRICS).is_file():
            raise DataError(f"{run}: has no {METRICS}: not the folder of a training, or one that has not begun")
    if out:
        require_new_file(out, "--out")
        for data in filter(None, map(trained_on, runs)):
            data.refuse_inside(out, "--out")
    from clipgap.cli.show import say
    from clipgap.report.history import history_of
    from clipgap.report.terminal import all_in_letters, write_png

    histories = {str(run): history_of(run) for run in runs}
    if not any(one.losses or one.validation for one in histories.values()):
        raise DataError(f"{runs[0]}: its {METRICS} has no line yet")
    if out:
        write_png(histories, out)
    if as_json:
        typer.echo(
            json.dumps({name: {"loss": one.losses, "validation": one.validation} for name, one in histories.items()})
        )
    else:
        say(str(out) if out else all_in_letters(histories))
