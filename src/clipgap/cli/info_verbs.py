"""Verbs that look: the settings, the machine, and the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.commands import command, free
from clipgap.cli.options import Config, Device, Json, Seed, Settings, overrides, resolve
from clipgap.errors import Interrupted
from clipgap.files import require_new, require_place

config_app = typer.Typer(help="Look at settings.")


@config_app.command()
def show(config: Config, settings: Settings = []) -> None:  # noqa: B006
    """Print the whole config that a file or preset and --set amount to."""
    from clipgap.config import to_yaml

    typer.echo(to_yaml(resolve(config, settings)), nl=False)


@config_app.command()
def schema() -> None:
    """Print the JSON schema of run configs, for editors."""
    from clipgap.config import RunConfig

    typer.echo(json.dumps(RunConfig.model_json_schema(), indent=1))


def doctor(as_json: Json = False) -> int:
    """Say whether this machine has what clipgap needs: versions, torchvision's operators, GPU, weights."""
    from clipgap.cli.show import say
    from clipgap.engine.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            say(f"{finding.state:8} {finding.what}: {finding.detail}")
    return 1 if any(finding.state == "broken" for finding in findings) else 0


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for everything the demo makes; what is there is not done again.")
    ] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="A third of the length: to see that it runs.")] = False,
    settings: Settings = [],  # noqa: B006
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Try the recipe `robust` on a drawn world: train on clear day without and with it, score five domains."""
    if not (out / "demo.json").exists():
        require_new(out, "--out")
    require_place(out, "--out")
    from clipgap.cli.show import print_comparison, say
    from clipgap.engine.demo import run_demo

    try:
        compared = run_demo(out, quick, tuple(overrides(settings, device, seed)))
    except (KeyboardInterrupt, Interrupted) as error:
        number = error.exit_code - 128 if isinstance(error, Interrupted) else 2
        raise Interrupted(f"interrupted; what is done stays in {out}", signal=number) from None
    if as_json:
        places = {"pictures": str(compared.pictures), "compared": str(compared.sheet)}
        typer.echo(json.dumps({"scores": compared.scores, "gain": compared.gain, **places}))
        return
    print_comparison(compared.scores, compared.gain)
    say("One training of each kind: a gain may be chance; docs/results.md has several seeds and intervals.")
    say(f"pictures: {compared.sheet}, {compared.pictures}; runs: {out / 'run_base'}, {out / 'run_robust'}")
    say("Your own data: README.md; the world is told of in docs/world.md")
    runs = (out / "run_base", out / "run_robust")
    say(f"next: {command('report', *runs, '--out', free(out / 'report.html'))}")
