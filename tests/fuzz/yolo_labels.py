"""YOLO: a label file, and behind a line of `---` a list of images."""

from __future__ import annotations

from pathlib import Path

from tests.datasets import data_config, make_yolo
from tests.fuzz.look import look
from tests.fuzz.target import Target

CUT = b"\n---\n"


def seeds() -> list[bytes]:
    return [
        b"0 0.5 0.5 0.5 0.5\n1 0.25 0.25 0.1 0.2\n" + CUT + b"images/train/a.png\n",
        b"0 0.1 0.1 0.9 0.1 0.9 0.9\n" + CUT + b"./images/train/a.png\n/elsewhere/set/images/train/a.png",
        b"0 0.5 0.5 0.5 0.5 0.9\n0 0.5 0.5 0.5 0.5 0.4 0.4 2 0.6 0.6 2\n",
        b"0 0.5 0.5 0.5\r\ncar 0.5 0.5 0.5 0.5\r\n1.0 5e-1 .5 .5 .5\r\n",
        CUT + b"a/" * 3000 + b"a.png",
    ]


def read(data: bytes, folder: Path) -> None:
    labels, _, listed = data.partition(CUT)
    (folder / "labels/train/a.txt").write_bytes(labels)
    (folder / "listed.txt").write_bytes(listed or b"images/train/a.png")
    look(data_config(folder, "yolo", train="listed.txt"))


YOLO_LABELS = Target(
    "yolo_labels",
    seeds,
    read,
    lambda folder: make_yolo(folder, {"a": ""}),
    (b"0 ", b"1 ", b"0.5 ", b"-0.5 ", b"1e308 ", b"nan ", b"inf ", b"1_0 ", b"\x0c", b"\xef\xbb\xbf", b"../", CUT),
)
