"""docs/robustness.md and robustness_data.md from the rows: `python -m tests.robustness.write` writes them anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.robustness.coco_rows import COCO
from tests.robustness.command_rows import SETTINGS, VERBS
from tests.robustness.image_rows import IMAGES
from tests.robustness.row import CommandRow, DataRow
from tests.robustness.voc_rows import VOC_ROWS
from tests.robustness.yolo_rows import YOLO_ROWS

DOCS = Path(__file__).parents[2] / "docs"
FRAGMENTS = [Path(__file__).with_name(name) for name in ("crashes.md", "fuzz.md")]
"""What no row can tell in a line: tests of their own show it."""
Sections = dict[str, Sequence[DataRow | CommandRow]]
DATA: Sections = {"COCO": COCO, "VOC": VOC_ROWS, "YOLO": YOLO_ROWS, "Images": IMAGES}
COMMANDS: Sections = {"Settings": SETTINGS, "Commands": VERBS}
HEAD = """# Robustness

What is done with data and commands that are not as they should be. What odd annotation files and images are answered
with has [a page of its own](robustness_data.md). Every row is a test (`tests/robustness`), and both pages are written
from the tests: `python -m tests.robustness.write`. An error ends in exit code 2 and one line that names the file, the
place in it and the fix; a warning says what was done. More than three of one kind are one line, with their number and
the first three places.

Beside the rows: Ctrl-C, SIGTERM and SIGUSR1 save where `fit` and `train` are and name the command that goes on
([command line](cli.md)); weights that are not finite are named in files, and before they are saved; settings of levers
that are off are a warning ([configuration](configuration.md)).
"""
DATA_HEAD = """# Odd data

What odd annotation files and images are answered with. As in [robustness](robustness.md) every row is a test, and this
page is written from the tests: `python -m tests.robustness.write`.
"""


def pages() -> dict[Path, str]:
    """Both pages, whole."""
    fragments = "".join(path.read_text(encoding="utf-8") for path in FRAGMENTS)
    return {
        DOCS / "robustness.md": HEAD + fragments + _tables(COMMANDS),
        DOCS / "robustness_data.md": DATA_HEAD + _tables(DATA),
    }


def _tables(sections: Sections) -> str:
    return "".join(f"\n## {title}\n\n{_table(rows)}" for title, rows in sections.items())


def _table(rows: Sequence[DataRow | CommandRow]) -> str:
    head = "| what | kind | what is said |\n|---|---|---|\n"
    return head + "".join(f"| {_cell(row.what)} | {_kind(row)} | {_cell(row.said) or '(nothing)'} |\n" for row in rows)


def _kind(row: DataRow | CommandRow) -> str:
    if not row.said:
        return "read"
    return "error" if row.code else "warning"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").strip()


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
