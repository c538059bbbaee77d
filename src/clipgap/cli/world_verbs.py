"""`clipgap world`: draw the miniature weather world, and pre-train the tiny CLIP on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from clipgap.cli.commands import command, setting, stopped_at_once
from clipgap.cli.options import Device, Json, Resume
from clipgap.config import RunSection
from clipgap.engine.names import ALBUM, drawn, require_new_pretraining
from clipgap.errors import ConfigError
from clipgap.files import require_new, require_place

app = typer.Typer(help="Draw the miniature weather world; pre-train the tiny CLIP on it.")
Workers = Annotated[int, typer.Option(min=1, help="Processes that draw.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")]


@app.command()
def make(
    out: Annotated[Path, typer.Option(help="New folder.")],
    scenes: Annotated[int, typer.Option(min=1, help="Scenes of the source to train on.")] = 1000,
    held_out: Annotated[
        int | None, typer.Option(min=1, help="Scenes of val, test and each target; a fifth of --scenes by default.")
    ] = None,
    kind: Annotated[
        Literal["first", "second"],
        typer.Option(help="The world of Diverse Weather's domains, or of snow, dust, glare and a low sun."),
    ] = "first",
    seed: SeedOption = 0,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:
    """Draw the five domains, laid out as Diverse Weather: VOC XML, seven classes."""
    require_new(out, "--out")
    from clipgap.cli.show import say
    from clipgap.engine.demo import draw_world

    held_out = held_out or max(scenes // 5, 1)
    draw_world(out, seed, scenes, held_out, workers, kind)
    if as_json:
        typer.echo(json.dumps({"world": str(out), "kind": kind, "seed": seed, "scenes": scenes, "held_out": held_out}))
    else:
        say(f"{out}: {scenes + 6 * held_out} scenes in five domains, seed {seed}")
        if kind == "first":  # the second has no preset: it is for the study `second` alone
            say(f"next: {command('fit', '--config', 'mini_world', *setting('data.root', out))}")


@app.command()
def pretrain(
    out: Annotated[Path, typer.Option(help="New folder for weights, log and card.")],
    scenes: Annotated[int, typer.Option(min=1, help="Scenes to cut crops from.")] = 18_000,
    steps: Annotated[int, typer.Option(min=1, help="Steps of 192 crops.")] = 2000,
    without_targets: Annotated[
        bool, typer.Option("--without-targets", help="Leave the four target conditions out: the control tower.")
    ] = False,
    tower: Annotated[
        Literal["resnet", "convnext", "vit"], typer.Option(help="Image tower; all have the resnet's text tower.")
    ] = "resnet",
    seed: SeedOption = 0,
    workers: Workers = 2,
    resume: Resume = False,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Pre-train a tiny CLIP on crops and captions of worlds that no detector sees."""
    if without_targets and tower != "resnet":
        raise ConfigError(f"--without-targets: the text tower that {tower} shares knows the targets; leave one out")
    if not resume:
        require_new_pretraining(out)
    require_place(out, "--out")
    from clipgap.cli.show import say
    from clipgap.engine.pretrain import Pretraining
    from clipgap.engine.pretrain import pretrain as run
    from clipgap.engine.runtime import pick_device
    from clipgap.world import DOMAINS, TARGETS

    skipped = tuple(DOMAINS[name] for name in TARGETS) if without_targets else ()
    recipe = Pretraining(seed=seed, scenes=scenes, steps=steps, skipped=skipped, tower=tower)
    with stopped_at_once(drawn(out / ALBUM)):
        card = run(out, recipe, pick_device(RunSection(device=device or "auto")), workers, resume)
    if as_json:
        typer.echo(json.dumps({"weights": str(out / recipe.weights), "zero_shot": card["zero_shot"]}))
    else:
        file = out / recipe.weights
        say(f"{file}: use it with --set clip.name={recipe.name} --set clip.file={file}")
