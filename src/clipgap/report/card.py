"""A model card, made from a run: what it was trained on, with which words, what it is worth, and where that ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clipgap.config import to_yaml
from clipgap.detector.spec import read_spec
from clipgap.engine.names import DETECTIONS
from clipgap.engine.run_folder import RunFolder
from clipgap.report.facts import config_facts, record_facts

USE = """```python
import clipgap

detector = clipgap.Detector.from_pretrained("{name}")
detections = detector.predict("street.jpg")  # supervision.Detections
```"""
CAVEATS = (
    "One training run: a difference to another may be chance. Targets were not looked at in training; scores on images "
    "that weights were chosen on flatter. It knows its classes and its kind of camera, and nothing else; it is not for "
    "decisions that people's safety hangs on."
)


def model_card(run: Path, name: str = "NAME", licence: str = "other") -> str:
    """Markdown with the Hub's head.

    Args:
        run: a run folder; its tables are those that `clipgap evaluate` has kept there.
        name: of the repository.
        licence: of the weights, as the Hub writes it (`apache-2.0`); who trains on others' data asks them.

    Raises:
        WeightsError, ConfigError: it is no run folder.
    """
    spec, folder = read_spec(run), RunFolder(run)
    config = folder.config()
    head = {"library_name": "clipgap", "pipeline_tag": "object-detection", "license": licence}
    facts = [*config_facts(config), *record_facts(folder.record()), ("weights (SHA-256)", spec.weights or "not known")]
    parts = [
        "---\n" + "".join(f"{key}: {value}\n" for key, value in head.items()) + "---",
        f"# {name}",
        f"A detector by clipgap: {spec.description}.",
        USE.format(name=name),
        "## How it was made",
        "\n".join(f"- {what}: {_plain(known)}" for what, known in facts),
        "## What it is worth",
        *(_tables(run) or ["Not scored: `clipgap evaluate` the run first."]),
        "## Caveats",
        CAVEATS,
        "## Settings",
        f"```yaml\n{to_yaml(config).strip()}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _tables(run: Path) -> list[str]:
    found = []
    for file in sorted((run / DETECTIONS).glob("table-*.json")):
        table = json.loads(file.read_text(encoding="utf-8"))
        rule = table["metric"] + (f", IoU {table['iou']:g}" if "iou" in table else "")
        found.append(f"AP (0 to 100), {rule}:\n\n" + _table(table))
    return found


def _table(table: dict[str, Any]) -> str:
    lines = ["| domain | AP | images | boxes |", "|---|---|---|---|"]
    for name, one in table["domains"].items():
        figure = next(value for key, value in one.items() if key.startswith("ap"))
        role = " (source)" if name == table["source"] else ""
        lines.append(f"| {_plain(name)}{role} | {_shown(figure)} | {one['images']} | {one['boxes']} |")
    lines.append(f"| mean of targets | {_shown(table['mean_targets'])} | | |")
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _plain(text: str) -> str:
    """Text that is no markup: the Hub shows HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
