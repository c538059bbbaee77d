"""`clipgap data`: look at a data set, and turn one format into another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from clipgap.cli.options import Config, Json, Settings, resolve
from clipgap.errors import ConfigError

app = typer.Typer(help="Check and convert data sets.")


@app.command()
def check(config: Config, settings: Settings = [], as_json: Json = False) -> int:  # noqa: B006
    """Count images and boxes of every domain, and tell every fault with its file and place."""
    from clipgap.cli.show import stdout
    from clipgap.data import check as run_check
    from clipgap.engine.runtime import track

    report = run_check(resolve(config, settings).data, track)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        stdout.print(report.render())
    return 0 if report.ok else 2


@app.command()
def convert(
    config: Config,
    domain: Annotated[str, typer.Option(help="Name of the domain.")],
    split: Annotated[str, typer.Option(help="One of its splits: a name or a list file.")],
    to: Annotated[Literal["voc", "coco", "yolo"], typer.Option(help="The format to write.")],
    out: Annotated[Path, typer.Option(help="New folder.")],
    settings: Settings = [],  # noqa: B006
) -> None:
    """Write a split of a domain in another format; the images are copied, the original stays as it is."""
    from clipgap.cli.show import say
    from clipgap.data import convert as run_convert

    data = resolve(config, settings).data
    known = {one.name: one for one in data.domains}
    if domain not in known:
        raise ConfigError(f"--domain {domain}: no such domain in {config} (there are: {', '.join(known)})")
    for note in run_convert(data, known[domain], split, to, out):
        say(f"note: {note}")
    say(f"{out}: {domain}/{split} as {to}")
