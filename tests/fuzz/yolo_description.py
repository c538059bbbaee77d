"""YOLO: data.yaml."""

from __future__ import annotations

from pathlib import Path

from tests.datasets import data_config, make_yolo
from tests.fuzz.look import look
from tests.fuzz.target import Target

LAUGHS = "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))


def seeds() -> list[bytes]:
    texts = [
        "train: images/train\nnames: [car, person]\n",
        "path: .\ntrain: images/train\nval: images/train\nnc: 2\nnames: {0: car, 1: person}\n",
        "train: [images/train]\nnames:\n  0: car\n  1: person\nkpt_shape: [2, 3]\n",
        "path: ../other\ntrain: ../train/images\nnames: obj.names\nnc: 3\n",
        f"names: [car]\na0: &a0 [x, x]\n{LAUGHS}train: *a9\n",
        f"names: [car]\ntrain: {'[' * 400}\n",
        f"names: [car]\ntrain: {'a/' * 3000}\n",
        f"names: [car]\npath: {'../' * 1500}\ntrain: images/train\n",
    ]
    return [text.encode() for text in texts]


def read(data: bytes, folder: Path) -> None:
    (folder / "data.yaml").write_bytes(data)
    look(data_config(folder, "yolo", train="train"))


YOLO_DESCRIPTION = Target(
    "yolo_description",
    seeds,
    read,
    lambda folder: make_yolo(folder, {"a": "0 0.5 0.5 0.5 0.5\n"}),
    (
        b"names: ",
        b"train: ",
        b"path: ",
        b"kpt_shape: ",
        b"nc: ",
        b"- ",
        b"? ",
        b"<<: ",
        b"&a ",
        b"*a",
        b"!!binary ",
        b"!!python/name:os.system ",
        b"|\n  ",
        b'"\\0"',
        b'"\\ud800"',
        b'"\\e"',
        b"\t",
        b"---\n",
        b"%YAML 9.9\n",
        b"[",
        b"{",
        b"labels",
        b"images",
        b"..",
        b"/",
    ),
    quick=200,
)
