"""Pictures by a fixed rule: of every domain the best, the median and the worst, truth beside what was found."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from PIL import Image

from clipgap.metrics.outcomes import Outcomes
from clipgap.metrics.voc import IGNORED, TRUE, Array
from clipgap.report.evidence import Evidence, Split

WIDTH, QUALITY = 480, 82
"""Pixels across of a picture in the page, and of its JPEG."""
RULES = ("best", "median", "worst")


@dataclass(frozen=True)
class Panel:
    """One picture with boxes."""

    title: str
    drawing: Markup
    said: str
    """What is in it, in numbers."""


@dataclass(frozen=True)
class Picture:
    """One image: the truth, and what every series found in it."""

    rule: str
    file: str
    panels: list[Panel]


def pictures_of(evidence: Sequence[Evidence], place: int, cut: float) -> list[Picture]:
    """The best, the median and the worst image of a domain, by the F1 of the first series above a score.

    Args:
        evidence: the series.
        place: the domain's.
        cut: the least score of a detection that counts.
    """
    first = evidence[0].splits[place]
    scores = image_f1(first.outcomes, len(first.dataset), cut)
    ranked = [int(image) for image in np.argsort(-scores, kind="stable") if not np.isnan(scores[image])]
    if not ranked:
        return []
    chosen = dict(zip(RULES, (ranked[0], ranked[len(ranked) // 2], ranked[-1]), strict=True))
    found = []
    for rule, image in chosen.items():
        record = first.dataset.records[image]
        panels = [_truth(first, image, f"{place}-{rule}")]
        same = [one for one in evidence if one.run.images[first.name] == evidence[0].run.images[first.name]]
        panels += [_found(one, one.splits[place], image, cut, f"{place}-{rule}") for one in same]
        found.append(Picture(f"{rule}: F1 {scores[image]:.2f}", record.path.name, panels))
    return found


def image_f1(outcomes: Outcomes, count: int, cut: float) -> Array:
    """F1 of every image (count,) from the detections of at least a score; nan where nothing is to be found."""
    above = (outcomes.scores >= cut) & (outcomes.verdicts != IGNORED)
    right = np.bincount(outcomes.images[above & (outcomes.verdicts == TRUE)], minlength=count)
    found = np.bincount(outcomes.images[above], minlength=count)
    true = np.bincount(outcomes.true_images[~outcomes.ignored], minlength=count)
    return np.where(true > 0, 2 * right / np.maximum(found + true, 1), np.nan)


def _truth(split: Split, image: int, name: str) -> Panel:
    """The image itself, which the other panels refer to, with its true boxes."""
    record, outcomes = split.dataset.records[image], split.outcomes
    picture = split.dataset[image].image
    picture.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.BILINEAR)
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=QUALITY)
    shown = Markup('<image id="picture-{}" width="{}" height="{}" href="data:image/jpeg;base64,{}"/>').format(
        name, record.width, record.height, base64.b64encode(encoded.getvalue()).decode()
    )
    mine = np.flatnonzero((outcomes.true_images == image) & ~outcomes.ignored)
    boxes = [_box(outcomes.true_boxes[one], "true", outcomes.classes[outcomes.true_labels[one] - 1], record.width)
             for one in mine]  # fmt: skip
    return Panel("truth", _drawing(record.width, record.height, shown, boxes), f"{len(mine)} objects")


def _found(one: Evidence, split: Split, image: int, cut: float, name: str) -> Panel:
    """What one series found: right, wrong, and what it missed."""
    record, outcomes = split.dataset.records[image], split.outcomes
    mine = np.flatnonzero((outcomes.images == image) & (outcomes.scores >= cut) & (outcomes.verdicts != IGNORED))
    right = outcomes.verdicts[mine] == TRUE
    missed = np.flatnonzero((outcomes.true_images == image) & ~outcomes.ignored)
    missed = np.setdiff1d(missed, outcomes.matched[mine[right]])
    boxes = [_box(outcomes.true_boxes[box], "missed", "", record.width) for box in missed]
    for place, is_right in zip(mine, right, strict=True):
        text = f"{outcomes.classes[outcomes.labels[place] - 1]} {outcomes.scores[place]:.2f}"
        boxes.append(_box(outcomes.boxes[place], "right" if is_right else "wrong", text, record.width))
    shown = Markup('<use href="#picture-{}"/>').format(name)
    said = f"{int(right.sum())} right, {int((~right).sum())} wrong, {len(missed)} missed"
    return Panel(one.letter, _drawing(record.width, record.height, shown, boxes), said)


def _drawing(width: int, height: int, shown: Markup, boxes: Sequence[Markup]) -> Markup:
    head = Markup('<svg class="picture" viewBox="0 0 {} {}" role="img">').format(width, height)
    return head + shown + Markup("").join(boxes) + Markup("</svg>")


def _box(box: Array, kind: str, text: str, width: int) -> Markup:
    """A box and its words, as large as can be read whatever the picture's size."""
    x1, y1, x2, y2 = (float(value) for value in box)
    size = width / 30
    sides = [f"{value:.1f}" for value in (x1, y1, x2 - x1, y2 - y1)]
    frame = Markup('<rect class="{} {}" x="{}" y="{}" width="{}" height="{}"/>')
    drawn = frame.format("casing", kind, *sides) + frame.format("box", kind, *sides)
    if not text:
        return drawn
    place = y1 - size * 0.3 if y1 > 1.3 * size else y1 + size
    words = '<text class="label {}" x="{}" y="{}" style="font-size: {}px">{}</text>'
    return drawn + Markup(words).format(kind, f"{x1:.1f}", f"{place:.1f}", f"{size:.1f}", text)  # noqa: S704 (a form of ours)
