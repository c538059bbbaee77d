"""A run config or data file, and `--set`s in its first lines."""

from __future__ import annotations

from pathlib import Path

from clipgap.config import (
    DataConfig,
    DiversifyConfig,
    DomainConfig,
    RunConfig,
    load_config,
    load_data_config,
    to_yaml,
)
from tests.fuzz.target import Target
from tests.fuzz.yolo_description import LAUGHS

SET = "--set "
DATA = "{classes: [car, person], source: {name: day, format: voc, train: train}}"
PROMPTS = "prompts: {source: a day, targets: [a night, fog], class_names: {car: [car, auto]}}"
FULL = f"""recipe: robust
data:
  root: ${{NAME:-here}}
  classes: [car, person]
  source: {{name: day, format: voc, root: ~/day, train: [a, b], val: v, rename: {{auto: car}}}}
  targets:
    - {{name: fog, parts: [{{format: coco, root: x, test: t}}, {{format: yolo, root: y, test: t}}]}}
  {PROMPTS}
clip: {{name: tiny, pretrained: random, random_seed: 3}}
detector: {{anchor_sizes: [16, 32], box_reg_weights: [10, 10, 5, 5], frozen: [stem]}}
diversify: {{kinds: [photometric], views: 2}}
augment: {{kind: [norm, mixstyle]}}
train: {{steps: 3, lr: 1e-3, lr_steps: [2]}}
evaluate: {{metric: voc2007, iou: 0.5}}
run: {{out: runs/x}}
"""


def seeds() -> list[bytes]:
    texts = [
        FULL,
        f"data: {DATA}\n",
        "classes: [car]\nsource: {name: day, format: yolo}\n" + PROMPTS,
        f"{SET}train.steps=300\n{SET}data.classes=[a, b]\n{SET}clip.name=RN50\ndata: {DATA}\n",
        "data: elsewhere.yaml\n",
        'data: "a\\0"\n',
        'classes: [car]\nsource: {name: day, format: yolo}\nroot: "~\\0"\n',
        f"data: {DATA}\na0: &a0 [x, x]\n{LAUGHS}",
        f"data: {'[' * 400}\n",
        f"data: {DATA}\nimage: {{short_side: {'1:' * 1500}1}}\n",
        f"data: {DATA}\nimage: {{short_side: {'1:' * 300}1.5}}\n",
        f"data: {DATA}\nimage: {{short_side: 0001-01-01 00:00:00 +23:00, 1: 2, 2026-11-01: 3}}\n",
        f"data: {DATA}\nimage: {{short_side: 0x{'f' * 1500}, !!binary aGFsbG8=: 3, null: 1, 1.5: 2}}\n",
    ]
    return [text.encode() for text in texts]


def read(data: bytes, folder: Path) -> None:
    overrides: list[str] = []
    while data.startswith(SET.encode()):
        line, _, data = data.partition(b"\n")
        overrides.append(line.decode(errors="surrogateescape").removeprefix(SET))
    file = folder / "run.yaml"
    file.write_bytes(data)
    kept = folder / "kept.yaml"
    kept.write_text(to_yaml(load_config(file, overrides)), encoding="utf-8")
    load_config(kept)
    load_data_config(file)


KEYS = [key for group in (RunConfig, DataConfig, DomainConfig, DiversifyConfig) for key in group.model_fields]
ODD = ["-", "?", "<<:", "&a", "*a", "~", "${HOME}", "${NO:-x}", "$NO", "~root", "null", "[]", "{}", "!!set", "!!omap"]
MORE = ["!!pairs", "!!timestamp", "!!float", ".inf", ".nan", "1:1.5", SET]
WORDS = [*(f"{key}: " for key in KEYS), *(f"{word} " for word in (*ODD, *MORE))]
CONFIG = Target("config", seeds, read, words=tuple(word.encode() for word in WORDS), good=1)
