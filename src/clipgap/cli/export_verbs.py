"""The verbs that take a detector elsewhere, or bring one in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipgap.cli.commands import command, free
from clipgap.cli.early import require_detector, trained_on
from clipgap.cli.options import Json, Proposals
from clipgap.config import GraphPrecision, Graphs
from clipgap.engine.names import CONFIG, EXPORTED
from clipgap.engine.predict.inputs import find_inputs, is_video
from clipgap.errors import ConfigError, DataError, WeightsError
from clipgap.files import require_new

if TYPE_CHECKING:
    from clipgap.export import Exported

CALIBRATED_ON = 64
"""Most images that the ranges of 8 bits are taken from."""
GRAPHS = "one: from pixels to detections; two: proposals are chosen between them, in less memory."
PRECISION = "Of the networks in one graph; int8: their convolutions."
CALIBRATE = (
    f"For int8: a folder or glob of pictures as the detector will see, of which at most {CALIBRATED_ON} are looked at."
)


def export(
    run: Annotated[Path, typer.Argument(help="A run folder or an imported Detector folder.")],
    out: Annotated[Path, typer.Option(help="New folder for the ONNX graphs and detector.json.")],
    graphs: Annotated[Graphs, typer.Option(help=GRAPHS)] = "one",
    precision: Annotated[GraphPrecision, typer.Option(help=PRECISION)] = "float32",
    calibrate: Annotated[str | None, typer.Option(help=CALIBRATE)] = None,
    proposals: Proposals = None,
    as_json: Json = False,
) -> None:
    """Write a detector as ONNX graphs, and check them against PyTorch."""
    require_detector(run)
    require_new(out, "--out")
    if (run / EXPORTED).is_file():
        raise WeightsError(f"{run}: is exported already; export the run or the Detector folder that it was made from")
    if (precision == "int8") != (calibrate is not None):
        raise ConfigError("--precision int8 and --calibrate PICTURES go together: it needs to know their range")
    known = trained_on(run)
    if known:
        known.refuse_inside(out, "--out")
    pictures = [] if calibrate is None else _chosen(calibrate)
    from clipgap.detector import Detector, as_seen
    from clipgap.export import export_onnx

    detector = Detector.load(run).for_inference(proposals=proposals)
    seen = [as_seen(picture, detector.spec.image)[0] for picture in pictures]
    exported = export_onnx(detector, out, graphs, precision, seen)
    if as_json:
        typer.echo(json.dumps({"exported": str(out), **vars(exported)}))
    else:
        _tell(exported, run, out, precision)


def _chosen(pictures: str) -> list[Path]:
    """So many of the pictures that are meant, evenly apart."""
    files = [file for file in find_inputs([pictures]) if not is_video(file)]
    if not files:
        raise DataError(f"{pictures}: no images, only videos; --calibrate takes images")
    return files[:: -(-len(files) // CALIBRATED_ON)]


def _tell(exported: Exported, run: Path, out: Path, precision: GraphPrecision) -> None:
    from clipgap.cli.show import say

    for name, tensors in exported.files.items():
        say(f"{out / name}: ONNX opset {exported.opset}, {precision}, {(out / name).stat().st_size / 1e6:.1f} MB")
        for tensor, shape in tensors.items():
            say(f"  {tensor:<10} {shape}")
    if exported.difference is None:
        say(f"{out}: neither it nor PyTorch detects anything in random images: compare them on yours")
    else:
        say(f"{out}: on random images it differs from PyTorch by {exported.difference:.0e} at most")
    if (run / CONFIG).is_file():
        say(f"next: {command('evaluate', out, '--config', run / CONFIG)}")


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="A detectron2 checkpoint of the authors' code (.pth or .pkl).")],
    classes: Annotated[str, typer.Option(help="Class names in the checkpoint's order, separated by commas.")],
    out: Annotated[Path, typer.Option(help="New Detector folder.")],
    as_json: Json = False,
) -> None:
    """Make a Detector folder out of a checkpoint of the authors' code."""
    if not file.is_file():
        raise WeightsError(f"{file}: no such file of weights")
    require_new(out, "--out")
    from clipgap.cli.show import say
    from clipgap.detector.importer import import_authors

    names = [name.strip() for name in classes.split(",")]
    detector = import_authors(file, names, out)
    if as_json:
        typer.echo(json.dumps({"detector": str(out), "classes": detector.classes}))
    else:
        say(f"{out}: a Detector of {len(detector.classes)} classes")
        say(f"next: {command('export', out, '--out', free(out.with_name(f'{out.name}_onnx')))}")
