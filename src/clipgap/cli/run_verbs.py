"""The verbs of the job itself. The engine is imported when a verb runs: `--help` must not wait for torch."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.commands import command, config_words, free, setting, stopped_at_once
from clipgap.cli.early import (
    require_clip_file,
    require_folders,
    require_offsets,
)
from clipgap.cli.options import Config, Device, Json, Resume, Seed, Settings, Workers, resolve, scored_on
from clipgap.cli.robustness import Asked, Cache, Corruptions, Out, Severities, Verify, score_corrupted
from clipgap.engine.names import CHECKPOINT, CONFIG, goes_on, half_done, is_saved, require_new_run
from clipgap.files import require_new_file, require_place


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
    resolved = resolve(config, settings, device, seed)
    if not (goes_on(half_done(out), resume) and is_saved(half_done(out))):
        require_new_file(out, "--out")
    require_place(out, "--out")
    resolved.data.refuse_inside(out, "--out")
    require_folders(resolved.data, [resolved.data.source])
    require_clip_file(resolved)
    from clipgap.cli.show import fit_table, say
    from clipgap.engine.fit import fit as run
    from clipgap.engine.runtime import take_place

    place = take_place(resolved.run)
    with stopped_at_once(half_done(out)):
        augmentations = run(resolved, out, resume=resume, place=place)
    if not place.group.main:
        return
    if as_json:
        prompts = {"source": augmentations.prompts.source, "targets": augmentations.prompts.targets}
        typer.echo(json.dumps({"file": str(out), "prompts": prompts, **augmentations.record}))
    else:
        fit_table(augmentations, out)
        words = config_words(config, settings, device, seed, but="augment.file")
        run_out = Path(resolved.run.out)
        new = [] if free(run_out) == run_out else setting("run.out", free(run_out))
        used = [] if resolved.augment.offsets else ["--set", "augment.kind=fitted"]  # a recipe without offsets
        say(f"next: {command('train', *words, *setting('augment.file', out), *used, *new)}")


def train(
    config: Config,
    settings: Settings = [],  # noqa: B006
    resume: Resume = False,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Step two: train the detector on the source domain."""
    resolved = resolve(config, settings, device, seed)
    if not goes_on(Path(resolved.run.out) / CHECKPOINT, resume):
        require_new_run(Path(resolved.run.out))
    require_place(Path(resolved.run.out), "run.out")
    resolved.data.refuse_inside(resolved.run.out, "run.out")
    require_folders(resolved.data, [resolved.data.source])
    require_clip_file(resolved)
    require_offsets(resolved)
    from clipgap.cli.show import say, tell_trained
    from clipgap.engine.train import train as run

    with stopped_at_once(Path(resolved.run.out) / CONFIG):
        result = run(resolved, resume=resume)
    if not result.main:
        return
    if as_json:
        kept = {"run": str(result.path), "best": result.best, "best_step": result.best_step}
        figures = {"figure": result.figure, "split": result.split, "seconds": round(result.seconds, 1)}
        typer.echo(json.dumps(kept | figures))
    else:
        tell_trained(result, resolved.train.steps)
        say(f"next: {command('evaluate', result.path, *(['--device', device] if device else []))}")


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder, an imported Detector folder, or an exported one.")],
    config: Annotated[str | None, typer.Option("--config", "-c", help="Run config; the run's own by default.")] = None,
    settings: Settings = [],  # noqa: B006
    csv: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
    corruptions: Corruptions = None,
    severity: Severities = None,
    out: Out = None,
    resume: Resume = False,
    verify: Verify = False,
    cache: Cache = None,
    workers: Workers = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Score a detector on the source and on every target domain, or on the source under corruption.

    What it finds is kept in the folder's `detections`: another metric or a report needs no second detection.
    """
    resolved = scored_on(run, config, settings, device, workers)
    if csv:
        require_new_file(csv, "--csv")
        resolved.data.refuse_inside(csv, "--csv")
    asked = Asked(run, corruptions, severity, out, resume, verify, cache, csv)
    if asked.checked(resolved):
        return score_corrupted(asked, resolved, device, as_json)
    require_folders(resolved.data, resolved.data.domains)
    from clipgap.cli.exported import load_exported
    from clipgap.cli.show import give_table, say
    from clipgap.engine.evaluate import evaluate_run
    from clipgap.engine.kept import Kept
    from clipgap.engine.runtime import on_cpu, take_place

    exported = load_exported(run, device)
    place = take_place(on_cpu(resolved.run) if exported else resolved.run)
    kept = Kept.beside(run, place.device, alone=verify)
    with nullcontext() if verify else stopped_at_once(kept.folder):
        table = evaluate_run(exported or run, resolved, place=place, kept=kept)
    if not place.group.main:
        return
    give_table(table, csv, as_json)
    if not as_json:
        domain = next(iter(resolved.data.targets), resolved.data.source)
        pictures = resolved.data.folder(domain, domain.pieces("scored")[0][0])
        say(f"next: {command('predict', run, pictures, '--out', free(Path('out')))}")
