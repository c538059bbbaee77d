"""The table's exact JSON, and what it looks like on 80 columns."""

import json
from itertools import chain
from pathlib import Path

import pytest
from rich.console import Console

from clipgap.metrics import DomainScore, Result, ScoreTable

DOMAINS = ["daytime_clear", "night_sunny", "dusk_rainy", "night_rainy", "daytime_foggy"]
CLASSES = ["bus", "bike", "car", "motor", "person", "rider", "truck"]
VOC_CLASSES = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]
COCO = {"ap": 12.5, "ap50": 100.0, "ap75": 37.5}
DETECTOR, NOTE = "CLIP RN50, random weights (seed 0), no augmentation", "weights chosen on daytime_clear/val"


def table(metric: str, figures: dict[str, float | None], classes: list[str]) -> ScoreTable:
    result = Result(figures, {**dict.fromkeys(classes, 100.0), classes[-2]: None}, 26158, 116785)
    domains = [DomainScore(name, "target" if i else "source", result, metric) for i, name in enumerate(DOMAINS)]
    return ScoreTable(metric, 0.5, domains, DETECTOR, [NOTE])


def lines(shown: ScoreTable, width: int = 80) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(shown.render())
    return capture.get().splitlines()


def small(metric: str, *headlines: float | None) -> ScoreTable:
    """Targets a, b, ... and then the source."""
    figures = [{"ap": value, "ap50": 90.0} if metric == "coco" else {"ap50": value} for value in headlines]
    domains = [DomainScore("abc"[i], "target", Result(f, {"car": None}, 3, 4), metric) for i, f in enumerate(figures)]
    source = DomainScore("day", "source", Result(dict.fromkeys(figures[0], 77.0), {"car": 77.0}, 1, 2), metric)
    return ScoreTable(metric, 0.5, [*domains, source], "a detector", ["a note"])


def test_the_whole_json() -> None:
    tree = small("voc2007", 20.0, None).to_json()
    assert tree == {
        "metric": "voc2007",
        "iou": 0.5,
        "detector": "a detector",
        "notes": ["a note"],
        "source": "day",
        "domains": {
            "a": {"ap50": 20.0, "per_class": {"car": None}, "images": 3, "boxes": 4},
            "b": {"ap50": None, "per_class": {"car": None}, "images": 3, "boxes": 4},
            "day": {"ap50": 77.0, "per_class": {"car": 77.0}, "images": 1, "boxes": 2},
        },
        "mean_targets": 20.0,
    }
    assert json.loads(json.dumps(tree)) == tree


def test_coco_has_no_iou_and_its_mean_is_of_ap() -> None:
    shown = small("coco", 10.0, 20.0)
    assert "iou" not in shown.to_json()
    assert shown.to_json()["domains"]["a"] == {
        "ap": 10.0,
        "ap50": 90.0,
        "per_class": {"car": None},
        "images": 3,
        "boxes": 4,
    }
    assert shown.mean_targets == 15.0  # (10 + 20) / 2; of ap50 it would be 90
    assert "IoU" not in "\n".join(lines(shown))


def test_targets_without_any_box_have_no_mean() -> None:
    shown = small("voc2007", None, None)
    assert shown.mean_targets is None
    assert ["mean", "of", "targets", "-"] in [line.split() for line in lines(shown)]


@pytest.mark.parametrize(
    ("metric", "figures", "classes", "blocks"),
    [
        ("voc2007", {"ap50": 31.6}, CLASSES, 1),
        ("coco", COCO, CLASSES, 2),
        ("voc2012", {"ap50": 31.6}, VOC_CLASSES, 3),
    ],
)
def test_no_number_or_word_is_broken_on_80_columns(
    metric: str, figures: dict[str, float | None], classes: list[str], blocks: int
) -> None:
    shown = lines(table(metric, figures, classes))
    rows = [line.split() for line in shown]
    assert max(map(len, shown)) <= 80
    heads = [row[1:] for row in rows if row[:1] == ["domain"]]
    assert list(chain(*heads)) == [*figures, *classes, "images", "boxes"]
    assert len(heads) == blocks
    values = [*(f"{value:.1f}" for value in figures.values() if value is not None), *["100.0"] * len(classes)]
    values[len(figures) + len(classes) - 2] = "-"
    for name in DOMAINS:
        assert list(chain(*(row[1:] for row in rows if row[:1] == [name]))) == [*values, "26158", "116785"]
    # All domains have the same headline, so the mean is the same; it stands once, below it.
    assert [row for row in rows if row[:1] == ["mean"]] == [["mean", "of", "targets", values[0]]]
    text = [line.rstrip() for line in shown]
    assert text[0] == (metric if metric == "coco" else f"{metric}, IoU 0.5")
    assert text[-2:] == [DETECTOR, NOTE]


def test_a_wide_terminal_needs_one_block() -> None:
    shown = lines(table("voc2012", {"ap50": 31.6}, VOC_CLASSES), width=200)
    assert sum(line.split()[:1] == ["domain"] for line in shown) == 1


def test_what_the_detector_is_stays_in_one_line_below_a_narrow_table() -> None:
    result = Result({"ap50": 1.0}, {"car": 1.0}, 1, 1)
    shown = lines(ScoreTable("voc2007", 0.5, [DomainScore("day", "source", result, "voc2007")], DETECTOR, [NOTE]))
    assert [line.rstrip() for line in shown[-2:]] == [DETECTOR, NOTE]


def test_a_domain_name_too_long_is_folded_not_cut() -> None:
    name = "abcdefghij" * 10
    result = Result({"ap50": 12.3}, {"car": 45.6, "bus": 100.0}, 123, 456)
    domains = [DomainScore(name, "source", result, "voc2007")]
    rows = [line.split() for line in lines(ScoreTable("voc2007", 0.5, domains, "x", []))]
    assert [row for row in rows if row[:1] == ["domain"]] == [["domain", "ap50", "car", "bus", "images", "boxes"]]
    parts = [row for row in rows if row and row[0].startswith(tuple("abcdefghij")) and row[0] in name]
    assert "".join(row[0] for row in parts) == name
    assert parts[0][1:] == ["12.3", "45.6", "100.0", "123", "456"]


def mixed() -> ScoreTable:
    """A source scored by another metric than its target."""
    result = Result({"ap50": 10.0}, {"car": 10.0}, 1, 2)
    domains = [DomainScore("voc", "source", result, "voc2012"), DomainScore("comic", "target", result, "voc2007")]
    return ScoreTable("voc2007", 0.5, domains, "a detector", [], "authors")


def test_the_table_says_whose_rules_it_goes_by_and_who_has_another_metric(tmp_path: Path) -> None:
    assert lines(mixed())[0].strip() == "voc2007, IoU 0.5, the authors' scoring; voc by voc2012"
    tree = mixed().to_json()
    assert tree["scoring"] == "authors"
    assert [domain.get("metric") for domain in tree["domains"].values()] == ["voc2012", None]
    mixed().write_csv(tmp_path / "table.csv")
    assert [row.rpartition(",")[2] for row in (tmp_path / "table.csv").read_text().splitlines()] == [
        "metric",
        "voc2012",
        "voc2007",
        "",
    ]
