"""`clipgap predict`: a detector over files, folders and videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipgap.cli.commands import command
from clipgap.cli.early import holds_detector, require_detector, trained_on
from clipgap.cli.options import Device, Json, Proposals
from clipgap.config import DetectionPrecision, PredictFormat, RunSection, load_data_config
from clipgap.detectors import shipped_detector
from clipgap.engine.names import CONFIG, hash_of_detector
from clipgap.errors import ClipgapError
from clipgap.group import speaks

if TYPE_CHECKING:
    from clipgap.engine.predict import Predictions

WORDS = "A run folder, an imported Detector folder, or an exported one (none: the one that ships); then "
INPUTS = "images, videos, folders of them, globs in quotes ('photos/**/*.jpg'), or @list.txt with one of these a line."
TRUTH = "Run config or data file: draws the true boxes of images that are in it, dashed."
DEVICES = "Processes that share the inputs, one a device."
FORMAT = "Also as labels, of at least --draw-score: yolo, voc or labelstudio."
RESUME = "Go on with a prediction that was interrupted."


def predict(
    words: Annotated[list[str], typer.Argument(metavar="[RUN] INPUTS...", help=WORDS + INPUTS)],
    out: Annotated[Path, typer.Option(help="New folder for detections.json and the drawn images.")] = Path("out"),
    draw_score: Annotated[float, typer.Option(min=0, max=1, help="Least score of a detection that is drawn.")] = 0.3,
    truth: Annotated[str | None, typer.Option(help=TRUTH)] = None,
    precision: Annotated[
        DetectionPrecision, typer.Option(help="bf16-mixed: faster where the processor has it.")
    ] = "32-true",
    proposals: Proposals = None,
    format: Annotated[PredictFormat, typer.Option(help=FORMAT)] = "coco",
    resume: Annotated[bool, typer.Option("--resume", help=RESUME)] = False,
    device: Device = None,
    devices: Annotated[int, typer.Option(min=1, max=1024, help=DEVICES)] = 1,
    as_json: Json = False,
) -> int:
    """Detect in images and videos: COCO results, JSON lines, drawn pictures."""
    named, inputs = _told_apart(words)
    run = named or shipped_detector()
    _refuse(run, inputs, out, resume, device)
    if named is None and speaks():
        typer.echo("clipgap: no detector named: the one that ships with clipgap, of the drawn world", err=True)
    data = load_data_config(truth) if truth else None
    for known_set in filter(None, (data, trained_on(run))):
        known_set.refuse_inside(out, "--out")
    from clipgap.cli.exported import load_exported
    from clipgap.data import load_domains
    from clipgap.detector import Detector
    from clipgap.engine.predict import PredictSettings, Truth
    from clipgap.engine.predict import predict as run_predict
    from clipgap.engine.runtime import take_place

    exported = load_exported(run, device)
    known = Truth(truth, load_domains(data)) if truth and data else None
    place = take_place(RunSection(device=device or "auto", devices=devices))
    detector = (exported or Detector.load(run, place.device)).for_inference(precision, proposals)
    settings = PredictSettings(
        draw_score,
        f"{hash_of_detector(run)}, {precision}, {detector.spec.detector.rpn_post_nms_top_n_test} proposals",
        known,
        format,
    )
    result = run_predict(detector, inputs, out, settings, resume=resume, group=place.group)
    if not place.group.main:
        return 0
    for line in (*result.unreadable, *result.warnings):
        typer.echo(f"clipgap: {line}", err=True)
    _tell(result, run, out, truth, as_json)
    return 2 if result.unreadable else 0


def _told_apart(words: list[str]) -> tuple[Path | None, list[str]]:
    """The folder of the detector, None where none is named, and the inputs.

    Raises:
        ClipgapError: only a detector is named.
    """
    from clipgap.engine.predict.inputs import looks_like_input

    first = Path(words[0])
    if holds_detector(first):
        if len(words) == 1:
            raise ClipgapError(f"{first}: is a detector; name images, videos or folders of them behind it")
        return first, words[1:]
    if len(words) == 1 or looks_like_input(words[0]):
        return None, words
    return first, words[1:]


def _refuse(run: Path, inputs: list[str], out: Path, resume: bool, device: str | None) -> None:
    """Tell the mistakes that can be seen before torch is loaded."""
    from clipgap.cli.exported import refuse_device
    from clipgap.engine.predict.folder import require_free
    from clipgap.engine.predict.inputs import find_inputs

    require_detector(run)
    refuse_device(run, device)
    find_inputs(inputs, without=out)
    require_free(out, resume)


def _tell(result: Predictions, run: Path, out: Path, truth: str | None, as_json: bool) -> None:
    from clipgap.cli.show import say

    counts = {"images": result.images, "detections": result.detections, "unreadable": len(result.unreadable)}
    counts |= {"videos": result.videos} if result.videos else {}
    counts |= {"with_truth": result.with_truth} if truth else {}
    if as_json:
        typer.echo(json.dumps({"results": str(result.results), **counts}))
        return
    places = [f"{result.images} images; pictures in {out / 'drawn'}"] if result.images else []
    places += [f"{result.videos} videos; see {out / 'videos'}"] if result.videos else []
    say(f"{result.results if result.images else out}: {result.detections} detections in {', and in '.join(places)}")
    if truth:
        say(f"{truth}: true boxes known of {result.with_truth} of {result.images} images, drawn dashed in white")
    if (run / CONFIG).is_file():
        say(f"next: {command('evaluate', run)}")
