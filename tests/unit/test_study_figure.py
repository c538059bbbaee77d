"""The study's figure on invented results: every row is there, and what it draws is where the axis says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from recipes.study import __main__ as cli
from recipes.study.figure import bars, draw
from recipes.study.rows import Row, Study

from clipgap.errors import DataError
from clipgap.metrics.paired import interval

SVG = "{http://www.w3.org/2000/svg}"
ROWS = {
    name: Row(f"{name} & more", (), (0, 1, 2)) for name in ("attention", "better", "worse", "single", "upper_bound")
}
STUDY = Study("mini_world", ROWS, (), ())
GAINS = {"attention": (0, 0, 0), "better": (4, 5, 6), "worse": (-3, 1, -1), "single": (2,), "upper_bound": (9, 10, 11)}


def results() -> list[dict[str, Any]]:
    """Of the gains above on targets of 20 and 21 and 22; on the source every row loses half of what it gains."""
    found = []
    for row, gains in GAINS.items():
        for seed, gain in enumerate(gains):
            target, source = 20 + seed + gain, 50 - gain / 2
            domains = {"day_clear": {"ap50": source}, "fog": {"ap50": target}}
            found.append({"row": row, "seed": seed, "source": "day_clear", "domains": domains, "mean_targets": target})
    return found


def number(element: Element, key: str) -> float:
    return float(element.attrib[key])


def axes(svg: Element) -> list[tuple[float, float]]:
    """Of each panel: the pixel of 0, and the pixels of one AP50, as its tick labels say."""
    ticks = [e for e in svg.findall(f"{SVG}text") if e.get("text-anchor") == "middle" and number(e, "y") > 200]
    found, zeros = [], [tick for tick in ticks if tick.text == "0"]
    for zero in zeros:
        near = min((t for t in ticks if t is not zero), key=lambda t: abs(number(t, "x") - number(zero, "x")))
        value = float(str(near.text).replace("\u2212", "-"))
        found.append((number(zero, "x"), (number(near, "x") - number(zero, "x")) / value))
    return found


def test_every_row_is_there_once_with_its_numbers() -> None:
    svg = fromstring(draw(results(), STUDY))
    groups = {str(group.find(f"{SVG}text").text): group for group in svg.findall(f"{SVG}g")}  # type: ignore[union-attr]
    assert list(groups) == ["better & more", "worse & more", "single & more"]
    texts = ["".join(text.itertext()) for text in groups["better & more"].findall(f"{SVG}text")]
    assert texts == ["better & moren 3", "+5.0 \u00b7 50%", "\u22122.5"]
    assert any(text.text == "upper bound +10.0 (n 3)" for text in svg.iter(f"{SVG}text"))


def test_bars_and_whiskers_are_where_the_axis_says() -> None:
    svg = fromstring(draw(results(), STUDY))
    scales = axes(svg)
    assert len(scales) == 2
    assert scales[0][1] == pytest.approx(scales[1][1], rel=0.01)  # one scale: a gain and its price compare by eye
    for group, name in zip(svg.findall(f"{SVG}g"), ("better", "worse", "single"), strict=True):
        for kind, sign, (zero, scale) in zip(("targets", "source"), (1, -0.5), scales, strict=True):
            found = interval([sign * gain for gain in GAINS[name]])
            bar = next(e for e in group.findall(f"{SVG}rect") if e.attrib["class"].split()[0] == kind)
            ends = number(bar, "x"), number(bar, "x") + number(bar, "width")
            assert ends == pytest.approx(sorted((zero, zero + scale * found.mean)), abs=0.3)
            assert ("unsure" in bar.attrib["class"]) is (name != "better")
    better = svg.findall(f"{SVG}g")[0].findall(f"{SVG}line")
    for line, sign, (zero, scale) in zip((better[0], better[3]), (1, -0.5), scales, strict=True):
        found = interval([sign * gain for gain in GAINS["better"]])
        assert found.low is not None
        assert found.high is not None
        assert (number(line, "x1"), number(line, "x2")) == pytest.approx(
            (zero + scale * found.low, zero + scale * found.high), abs=0.3
        )
    assert not svg.findall(f"{SVG}g")[2].findall(f"{SVG}line")  # one seed has no interval


def test_the_upper_bound_is_a_line_in_both_panels() -> None:
    svg = fromstring(draw(results(), STUDY))
    lines = [line for line in svg.findall(f"{SVG}line") if line.get("class") == "upper"]
    for line, value, (zero, scale) in zip(lines, (10, -5), axes(svg), strict=True):
        assert number(line, "x1") == pytest.approx(zero + scale * value, abs=0.3)
    without = [one for one in results() if one["row"] != "upper_bound"]
    rows, upper = bars(without, STUDY)
    assert upper is None
    assert [row.share for row in rows] == [None] * 3
    assert 'class="upper"' not in draw(without, STUDY)


def test_it_is_readable_and_inside_of_its_page() -> None:
    text = draw(results(), STUDY)
    svg = fromstring(text)
    width, height = number(svg, "width"), number(svg, "height")
    assert width == 800
    sizes = [int(size) for size in re.findall(r"font(?:-size)?: (\d+)px", text)]
    assert len(sizes) == 3
    assert min(sizes) >= 12
    assert "prefers-color-scheme: dark" in text
    for element in svg.iter():
        for key, end in (("x", width), ("x1", width), ("x2", width), ("y", height), ("y1", height), ("y2", height)):
            assert 0 <= float(element.get(key, 0)) <= end


def test_nothing_to_compare_is_one_line_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match="no results of row attention and another row of the same seed"):
        draw(results()[:3], STUDY)
    figure = tmp_path / "new" / "results.svg"
    words = ["study", "recipe", "--out", str(tmp_path), "--figure", str(figure)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert capsys.readouterr().err.startswith("recipes.study: no figure: there are no results")
    assert not figure.exists()
    spent = {"seconds": {"train": 1}, "machine": "m", "settings": []}
    for one in results():
        (tmp_path / f"{one['row']}_{one['seed']}.json").write_text(json.dumps(one | spent))
    cli.main()
    assert fromstring(figure.read_text(encoding="utf-8")).tag == f"{SVG}svg"
    assert "| better | 3 |" in capsys.readouterr().out
