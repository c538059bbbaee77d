"""`clipgap prompts`: look at the words before anything is fitted to them."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from clipgap.cli.commands import command, config_words
from clipgap.cli.early import require_clip_file, require_folders
from clipgap.cli.options import Config, Device, Json, Seed, Settings, resolve
from clipgap.prompts import PromptSet

app = typer.Typer(help="Look at the words before anything is fitted to them.")


@app.command()
def check(
    config: Config,
    settings: Settings = [],  # noqa: B006
    images: Annotated[int, typer.Option(min=1, help="Most images, and most boxes, of the source to look at.")] = 200,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Does CLIP tell the prompts and classes apart, and the source's images by them?"""
    resolved = resolve(config, settings, device, seed)
    PromptSet.from_config(resolved.data.prompts)
    require_folders(resolved.data, [resolved.data.source])
    require_clip_file(resolved)
    from clipgap.cli.show import say, stdout
    from clipgap.engine.progress import log
    from clipgap.engine.prompts_check import check_prompts

    report = check_prompts(resolved, images)
    for line in report.warnings:
        log.print(f"warning: {line}", style="yellow", highlight=False)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        stdout.print(report.render())
        say(f"next: {command('fit', *config_words(config, settings, device, seed))}")
