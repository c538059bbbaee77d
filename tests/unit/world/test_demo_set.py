from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from clipgap.data import read_image, read_voc
from clipgap.errors import DataError
from clipgap.world import CLASSES, write_demo_set
from clipgap.world.demo_set import HEIGHT, PAINT, SEEN, WIDTH, draw_scene


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        write_demo_set(tmp_path / name, seed, images=4)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_every_split_reads_without_a_fault(tmp_path: Path) -> None:
    write_demo_set(tmp_path / "set", 0, images=8)
    counts = {}
    for domain, split in (("day", "train"), ("day", "val"), ("fog", "test"), ("night", "test")):
        records, faults = read_voc(tmp_path / "set" / domain, split)
        assert not faults
        counts[domain, split] = len(records)
        names = {annotation.name for record in records for annotation in record.annotations}
        assert names <= set(CLASSES)
        for record in records:
            boxes = np.array([annotation.box for annotation in record.annotations]).reshape(-1, 4)
            assert (boxes >= 0).all()
            assert (boxes <= [320, 192, 320, 192]).all()
    assert counts == {("day", "train"): 6, ("day", "val"): 2, ("fog", "test"): 8, ("night", "test"): 8}


def test_night_is_dark_and_fog_is_flat(tmp_path: Path) -> None:
    write_demo_set(tmp_path / "set", 0, images=4)
    pixels = {
        domain: np.stack([np.asarray(read_image(p)) for p in (tmp_path / "set" / domain / "JPEGImages").iterdir()])
        for domain in ("day", "fog", "night")
    }
    assert pixels["night"].mean() < 0.5 * pixels["day"].mean()
    assert pixels["fog"].std() < 0.8 * pixels["day"].std()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        write_demo_set(tmp_path, 0, images=1)


@pytest.mark.parametrize("name", CLASSES)
def test_a_drawn_object_reaches_all_four_sides_of_its_box(name: str) -> None:
    box = (20, 30, 109, 89)
    picture = Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 255))
    PAINT[name](ImageDraw.Draw(picture), box, (10, 200, 10))
    painted = ImageChops.difference(picture, Image.new("RGB", picture.size, (255, 0, 255))).getbbox()
    assert painted is not None
    assert painted == (box[0], box[1], box[2] + 1, box[3] + 1)


def test_what_can_hardly_be_seen_has_no_box() -> None:
    seen = 0
    for seed in range(60):
        _, things = draw_scene(np.random.default_rng(seed))
        owner = np.full((HEIGHT, WIDTH), -1)
        for i, (_, (x1, y1, x2, y2)) in enumerate(things):
            owner[y1 : y2 + 1, x1 : x2 + 1] = i
        for i, (_, (x1, y1, x2, y2)) in enumerate(things):
            assert (owner == i).sum() >= SEEN * (x2 - x1 + 1) * (y2 - y1 + 1)
        seen += len(things)
    assert seen > 150
