"""`clipgap data`: look at a data set, and turn one format into another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from clipgap.cli.commands import command, config_words
from clipgap.cli.early import require_folders
from clipgap.cli.options import Config, Json, Settings, resolve
from clipgap.config import RunConfig
from clipgap.errors import ConfigError, there_are
from clipgap.files import require_new

app = typer.Typer(help="Check and convert data sets.")


@app.command()
def check(config: Config, settings: Settings = [], as_json: Json = False) -> int:  # noqa: B006
    """Count images and boxes of every domain, and tell every fault with its file and place."""
    resolved = resolve(config, settings)
    data = resolved.data
    if not any(data.folder(domain).is_dir() for domain in data.domains):
        require_folders(data, data.domains)
    from clipgap.cli.show import say, stdout
    from clipgap.data import check as run_check
    from clipgap.engine.progress import track

    report = run_check(data, track)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        stdout.print(report.render())
        if report.ok and data.source.pieces("train"):
            say(f"next: {_next(resolved, config_words(config, settings))}")
    return 0 if report.ok else 2


def _next(config: RunConfig, words: list[str]) -> str:
    """Step one where its offsets are used; otherwise, or where there are no prompts to fit any to, step two."""
    if config.augment.offsets is None:
        return command("train", *words)
    if config.data.prompts.set or config.data.prompts.targets:
        return command("fit", *words)
    return command("train", *words, "--set", "augment.kind=none")


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
    data = resolve(config, settings).data
    known = {one.name: one for one in data.domains}
    if domain not in known:
        raise ConfigError(f"--domain {domain}: no such domain in {config} ({there_are(domain, known)})")
    require_new(out, "--out")
    data.refuse_inside(out, "--out")
    require_folders(data, [known[domain]])
    from clipgap.cli.show import say
    from clipgap.data import convert as run_convert

    for note in run_convert(data, known[domain], split, to, out):
        say(f"note: {note}")
    say(f"{out}: {domain}/{split} as {to}")
