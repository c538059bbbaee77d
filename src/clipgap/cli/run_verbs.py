"""The verbs of the job itself. The engine is imported when a verb runs: `--help` must not wait for torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.options import Config, Device, Json, Resume, Seed, Settings, resolve
from clipgap.errors import ClipgapError
from clipgap.files import require_new_file


def fit(
    config: Config,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("augmentations.safetensors"),
    settings: Settings = [],  # noqa: B006 (typer's way)
    resume: Resume = False,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Step one: fit the semantic augmentations from source images and prompts."""
    from clipgap.cli.show import fit_table
    from clipgap.engine.fit import fit as run

    augmentations = run(resolve(config, settings, device, seed), out, resume=resume)
    if as_json:
        prompts = {"source": augmentations.prompts.source, "targets": augmentations.prompts.targets}
        typer.echo(json.dumps({"file": str(out), "prompts": prompts, **augmentations.record}))
    else:
        fit_table(augmentations, out)


def train(
    config: Config,
    settings: Settings = [],  # noqa: B006
    resume: Resume = False,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Step two: train the detector on the source domain."""
    from clipgap.cli.show import say
    from clipgap.engine.train import train as run

    result = run(resolve(config, settings, device, seed), resume=resume)
    if not result.main:
        return
    if as_json:
        typer.echo(json.dumps({"run": str(result.path), "best": result.best, "best_step": result.best_step}))
    else:
        best = "" if result.best is None else f" ({result.best:.1f} on the source's validation split)"
        say(f"{result.path}: the weights of step {result.best_step}{best}")
        say(f"next: clipgap evaluate {result.path}")


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder, an imported Detector folder, or an exported one.")],
    config: Annotated[str | None, typer.Option("--config", "-c", help="Run config; the run's own by default.")] = None,
    settings: Settings = [],  # noqa: B006
    csv: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Score a detector on the source and on every target domain."""
    from clipgap.cli.exported import load_exported
    from clipgap.cli.show import print_table
    from clipgap.engine.evaluate import evaluate_run

    if config is None and not (run / "run.yaml").is_file():
        raise ClipgapError(f"{run}: has no run.yaml to say what to score; give --config")
    resolved = resolve(config or str(run / "run.yaml"), settings, device)
    if csv:
        require_new_file(csv, "--csv")
    table = evaluate_run(load_exported(run, device) or run, resolved)
    if csv:
        table.write_csv(csv)
    if as_json:
        typer.echo(json.dumps(table.to_json()))
    else:
        print_table(table)


def export(
    run: Annotated[Path, typer.Argument(help="A run folder or an imported Detector folder.")],
    out: Annotated[Path, typer.Option(help="New folder for the ONNX graphs and detector.json.")],
    as_json: Json = False,
) -> None:
    """Write a detector as ONNX graphs, and check them against PyTorch."""
    from clipgap.cli.show import say
    from clipgap.detector import Detector
    from clipgap.export import export_onnx

    difference = export_onnx(Detector.load(run), out)
    if as_json:
        typer.echo(json.dumps({"exported": str(out), "difference": difference}))
    else:
        say(
            f"{out}: differs from PyTorch by {difference:.0e} of the largest number; next: clipgap predict {out} IMAGES"
        )


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="A detectron2 checkpoint of the authors' code (.pth or .pkl).")],
    classes: Annotated[str, typer.Option(help="Class names in the checkpoint's order, separated by commas.")],
    out: Annotated[Path, typer.Option(help="New Detector folder.")],
    as_json: Json = False,
) -> None:
    """Make a Detector folder out of a checkpoint of the authors' code."""
    from clipgap.cli.show import say
    from clipgap.detector.importer import import_authors

    names = [name.strip() for name in classes.split(",")]
    detector = import_authors(file, names, out)
    if as_json:
        typer.echo(json.dumps({"detector": str(out), "classes": detector.classes}))
    else:
        say(f"{out}: a Detector of {len(detector.classes)} classes; next: clipgap predict {out} IMAGES")
