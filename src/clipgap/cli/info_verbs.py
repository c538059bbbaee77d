"""Verbs that look: the settings, the machine, and the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.options import Config, Json, Settings, resolve

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
    """Say whether this machine has what clipgap needs: versions, torchvision's operators, GPU, CLIP weights."""
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
    out: Annotated[Path, typer.Option(help="New folder for everything the demo makes.")] = Path("demo"),
    as_json: Json = False,
) -> None:
    """Run the whole job, short, on a small set that the demo draws itself."""
    from clipgap.cli.show import print_table, say
    from clipgap.engine.demo import run_demo

    table = run_demo(out)
    if as_json:
        typer.echo(json.dumps(table.to_json()))
        return
    print_table(table)
    say("The pictures are drawn and CLIP's weights are random: this shows that everything runs, not what it is worth.")
    say(f'look at {out / "predictions" / "drawn"}; next: README.md, "Your own data"')
