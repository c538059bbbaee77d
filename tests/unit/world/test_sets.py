from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipgap.config import load_config
from clipgap.data import load_domains, read_image, read_voc
from clipgap.errors import DataError
from clipgap.world import CLASSES, DOMAINS, TARGETS, write_domain, write_world


def nothing(pictures: int) -> None:
    pass


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "mini"
    write_world(folder, 7, 4, 3, 1, nothing)
    return folder


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(world: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "two", 7, 4, 3, 2, nothing)
    write_world(tmp_path / "other", 8, 4, 3, 1, nothing)
    assert files(tmp_path / "two") == files(world)
    shared = files(tmp_path / "other").keys() & files(world).keys()
    assert any(files(tmp_path / "other")[name] != files(world)[name] for name in shared)


def test_it_is_laid_out_as_diverse_weather(world: Path) -> None:
    domains = load_domains(load_config("diverse_weather", [f"data.root={world}"]).data)
    assert [domain.name for domain in domains.all] == [
        "daytime_clear", "night_sunny", "dusk_rainy", "night_rainy", "daytime_foggy"
    ]  # fmt: skip
    assert domains.source.train is not None
    assert len(domains.source.train) == 4
    for domain in domains.all:
        assert domain.scored is not None
        assert not domain.scored.faults
        assert len(domain.scored) == 3


def test_boxes_are_inside_and_no_two_domains_show_the_same_streets(world: Path) -> None:
    pictures = set()
    for domain in DOMAINS:
        records, faults = read_voc(world / domain / "VOC2007", "train")
        assert not faults
        assert {a.name for record in records for a in record.annotations} <= set(CLASSES)
        pictures |= {tuple(a.box for a in record.annotations) for record in records}
    assert len(pictures) == 4 + 3 * len(TARGETS)


def test_mixed_weather_shows_the_scenes_of_the_source(world: Path, tmp_path: Path) -> None:
    write_domain(tmp_path / "mixed", tuple(DOMAINS), 7, {"train": 4}, 1, nothing)
    ours, _ = read_voc(tmp_path / "mixed" / "VOC2007", "train")
    source, _ = read_voc(world / "daytime_clear" / "VOC2007", "train")
    assert [r.annotations for r in ours] == [r.annotations for r in source]
    pixels = [[np.asarray(read_image(r.path)) for r in records] for records in (ours, source)]
    assert (pixels[0][0] == pixels[1][0]).all()  # the first in turn is clear day
    assert (pixels[0][1] != pixels[1][1]).mean() > 0.5


def test_nothing_is_written_over_and_no_half_world_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        write_world(tmp_path, 0, 1, 1, 1, nothing)

    def stop(pictures: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path / "new", 0, 1, 1, 1, stop)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
