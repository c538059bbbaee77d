"""Odd command lines and settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.datasets import make_voc
from tests.robustness.row import CommandRow

SHOW = "config show --config mini_world --set "
DATA = """data:
  classes: [car]
  source: {name: day, format: voc, root: set, train: train, test: train}
clip: {name: tiny}
"""


def config(text: str | bytes = DATA) -> Callable[[Path], object]:
    """c.yaml in the folder."""
    return lambda root: (root / "c.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())


def with_set(root: Path) -> None:
    """c.yaml and the data set that it names."""
    config()(root)
    make_voc(root / "set", {"a": [("car", (5, 5, 35, 18))]})


def broken_detector(root: Path) -> None:
    (root / "run").mkdir()
    (root / "run/config.yaml").write_text("classes: [car]\n")
    save_file({"w": np.zeros(1, dtype=np.float32)}, root / "run/model.safetensors")


def anchor(root: Path) -> None:
    """Say in run.yaml where the data set is, which a run's own says in full."""
    run = root / "run/run.yaml"
    run.write_text(run.read_text().replace("root: set", f"root: {root}/set"))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

SETTINGS = (
    CommandRow("a whole number that is none", f"{SHOW}train.steps=many", "--set train.steps=many: expected a whole"),
    CommandRow(
        "true for a number", f"{SHOW}train.steps=true", "train.steps=true: expected a number, not true or false"
    ),
    CommandRow("absurd numbers", f"{SHOW}train.steps={'9' * 23}", "must be at most 1000000000, got 9999999999999999"),
    CommandRow("more than memory holds", f"{SHOW}fit.images_per_step=100000", "must be at most 4096, got 100000"),
    CommandRow(
        "anchors of no size",
        f"{SHOW}detector.anchor_sizes=[0.001]",
        "detector.anchor_sizes.0: must be at least 1, got 0.001",
    ),
    CommandRow("a long side below the short one", f"{SHOW}image.long_side=10", "long_side (10) must not be less than"),
    CommandRow("a device that is none", f"{SHOW}run.device=gpu", "expected 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'"),
    CommandRow(
        "a CLIP that does not fit",
        f"{SHOW}clip.name=EVA02-B-16",
        "--set clip.name=EVA02-B-16: no such CLIP, or none that fits: did you mean ViT-B-16? there are RN50,",
    ),
    CommandRow(
        "a window where there are no blocks",
        f"{SHOW}clip.window=7",
        "clip: roi_blocks and window are a ViT's, and tiny is none: leave them out",
    ),
    CommandRow(
        "a ViT without its stride",
        f"{SHOW}clip.name=tiny-vit --set detector.roi=atrous",
        "has no stride that `roi: atrous` could leave",
    ),
    CommandRow("blank names", f"{SHOW}data.classes=['',car]", "data.classes.0: must not be blank, got ''"),
    CommandRow("a setting that is not there", f"{SHOW}train.stps=3", "no such setting (did you mean steps? there are:"),
    CommandRow("a setting without a value", f"{SHOW}train.steps", "--set train.steps: expected key=value"),
    CommandRow("a group in a setting's place", f"{SHOW}train=3", "--set train=3: expected a group of settings"),
    CommandRow(
        "an alias bomb",
        "config show --config {root}/c.yaml",
        "c.yaml: not valid YAML (its aliases (*) stand for more than 100000 values)",
        config(BOMB),
    ),
    CommandRow(
        "YAML nested too deeply",
        "config show --config {root}/c.yaml",
        "c.yaml: not valid YAML (nested too deeply)",
        config("[" * 50_000),
    ),
    CommandRow(
        "a key twice",
        "config show --config {root}/c.yaml",
        "c.yaml, line 6: not valid YAML ('clip' is there twice, first in line 4)",
        config(f"{DATA}image: {{}}\nclip: {{}}\n"),
    ),
    CommandRow(
        "tabs", "config show --config {root}/c.yaml", "c.yaml, line 2: not valid YAML (", config("data:\n\tx: 1")
    ),
    CommandRow("an empty config", "config show --config {root}/c.yaml", "c.yaml: is empty; write `data:`", config("")),
    CommandRow("a config of bytes", "config show --config {root}/c.yaml", "not UTF-8 text", config(b"\x89PNG\xff")),
    CommandRow("a config that is a folder", "config show --config {root}", "is a folder; --config takes a YAML file"),
    CommandRow(
        "a config that is not there", "train --config nowhere.yaml", "nowhere.yaml: no such file, and no preset"
    ),
    CommandRow(
        "COCO's figures and VOC's in one table",
        "config show --config real_to_art --set evaluate.metric=coco --set evaluate.scoring=exact",
        "COCO's figures and VOC's do not go into one table",
    ),
)
VERBS = (
    CommandRow("a verb that is none", "fly", "No such command 'fly'"),
    CommandRow("an option that is none", "train --confg x", "No such option: --confg (Possible options: --config"),
    CommandRow("a folder without a detector", "evaluate {root}", "holds no detector (config.yaml of a run or Detector"),
    CommandRow("a folder that is not there", "evaluate {root}/nope", "nope: no such folder; give a run folder"),
    CommandRow(
        "a domain that is none",
        "data convert --config mini_world --domain sun --split train --to voc --out {root}/out",
        "--domain sun: no such domain in mini_world (there are: daytime_clear,",
    ),
    CommandRow(
        "data that are not there",
        "train --config mini_world --set data.root={root} --set run.out={root}/run",
        "daytime_clear/VOC2007: no such folder: correct `root` of domain daytime_clear",
    ),
    CommandRow(
        "a run into a data set",
        "train --config {root}/c.yaml --set augment.kind=none --set run.out={root}/set/run",
        "set/run: is inside the data set set, which is only read: choose another run.out",
        with_set,
    ),
    CommandRow(
        "`--out` into a data set",
        "fit --config {root}/c.yaml --out {root}/set/a.safetensors",
        "is inside the data set set, which is only read: choose another --out",
        with_set,
    ),
    CommandRow(
        "`--csv` into a data set",
        "evaluate {root}/run --config {root}/c.yaml --csv {root}/set/a.csv",
        "is inside the data set set, which is only read: choose another --csv",
        lambda root: (with_set(root), broken_detector(root)),
    ),
    CommandRow(
        "`predict --out` into the data set that the detector was trained on",
        "predict {root}/run {root}/set/JPEGImages/a.png --out {root}/set/JPEGImages/out",
        "is inside the data set set, which is only read: choose another --out",
        lambda root: (
            with_set(root),
            broken_detector(root),
            (root / "c.yaml").rename(root / "run/run.yaml"),
            anchor(root),
        ),
    ),
    CommandRow(
        "`--cache` inside of `--out`",
        "evaluate {root}/run --config {root}/c.yaml --corruptions fog --out {root}/o --cache {root}/o/cache",
        "o/cache: --cache is the same as --out, or inside of it; choose another --cache",
        lambda root: (with_set(root), broken_detector(root)),
    ),
    CommandRow(
        "`--out` inside of `--cache`",
        "evaluate {root}/run --config {root}/c.yaml --corruptions fog --out {root}/c/fog --cache {root}/c",
        "c/fog: --out is the same as --cache, or inside of it; choose another --out",
        lambda root: (with_set(root), broken_detector(root)),
    ),
    CommandRow(
        "`--csv` in the place of a result",
        "evaluate {root}/run --config {root}/c.yaml --corruptions fog --out {root}/o --csv {root}/o/corruptions.jsonl",
        "o/corruptions.jsonl: --csv is the same as --out, or inside of it; choose another --csv",
        lambda root: (with_set(root), broken_detector(root)),
    ),
    CommandRow(
        "a run over another",
        "train --config mini_world --set run.out={root}",
        "is there already; choose another run.out",
        lambda root: (root / "mine.txt").touch(),
    ),
    CommandRow(
        "offsets that are not there",
        "train --config {root}/c.yaml --set augment.file={root}/a.safetensors --set run.out={root}/run",
        "a.safetensors: no such file of semantic augmentations; `clipgap fit` makes one",
        with_set,
    ),
    CommandRow(
        "a web page in place of weights",
        "import {root}/w.pth --classes car --out {root}/out",
        "w.pth: is a web page (a download that went wrong), not a file of weights",
        lambda root: (root / "w.pth").write_text("<html>404</html>"),
    ),
    CommandRow(
        "an address to predict on",
        "predict {root}/run https://a.org/b.jpg --out {root}/out",
        "b.jpg: predict reads files",
        broken_detector,
    ),
    CommandRow(
        "a device to predict on",
        "predict {root}/run /dev/zero --out {root}/out",
        "/dev/zero: is no file but a pipe",
        broken_detector,
    ),
)
