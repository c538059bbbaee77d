"""Where errors come from: what AP would gain if one kind of them were put right (TIDE, Bolya et al. 2020,
arXiv 2008.08115, section 2)."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from clipgap.metrics.outcomes import Outcomes
from clipgap.metrics.voc import FALSE, TRUE, Array, Style, best_overlap, class_ap

Kind = Literal["class", "place", "both", "duplicate", "background", "missed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LEAST = 0.1
"""IoU below which a detection is on nothing."""


def error_kinds(outcomes: Outcomes, style: Style = "voc2007") -> dict[Kind, float | None]:
    """By how much the mean AP (0-100) grows if a kind is put right by itself, all else as it is; None without a
    box to find.

    Of a false detection: `duplicate`: on a box of its class that a better one has found; `place`: on one by an IoU of
    `LEAST` to the rule's; `class`: on one of another class by more than the rule's; `both`: on one of another class by
    `LEAST` to the rule's; `background`: on none. `missed`: a box that nothing has found, nor would if class or place
    were right. Put right, class and place become those of the box, if nothing else has found it (of several the best
    score's); all else goes, and so does a box that was missed.
    """
    if not outcomes.positives.any():
        return dict.fromkeys(KINDS)
    kinds, boxes = _kinds(outcomes)
    before = _mean_ap(outcomes, outcomes.verdicts, outcomes.labels, outcomes.positives, style)
    gains: dict[Kind, float | None] = {}
    for kind in KINDS[:-1]:
        verdicts, labels = _put_right(
            outcomes, kinds == KINDS.index(kind), boxes if kind in ("class", "place") else None
        )
        gains[kind] = _mean_ap(outcomes, verdicts, labels, outcomes.positives, style) - before
    positives = np.bincount(outcomes.true_labels[~outcomes.ignored & ~_missed(outcomes, kinds, boxes)],
                            minlength=len(outcomes.classes) + 1)[1 : len(outcomes.classes) + 1]  # fmt: skip
    gains["missed"] = _mean_ap(outcomes, outcomes.verdicts, outcomes.labels, positives, style) - before
    return gains


def _kinds(outcomes: Outcomes) -> tuple[Array, Array]:
    """Of every detection the place of its kind in `KINDS`, -1 of one that is no error; and the box that it is on."""
    same, same_box, other, other_box = _nearest(outcomes)
    kinds = np.full(len(outcomes.scores), KINDS.index("background"))
    kinds[other > LEAST] = KINDS.index("both")
    kinds[other > outcomes.iou] = KINDS.index("class")
    kinds[(same > LEAST) & (same <= outcomes.iou)] = KINDS.index("place")
    kinds[same > outcomes.iou] = KINDS.index("duplicate")
    kinds[outcomes.verdicts != FALSE] = -1
    return kinds, np.where(kinds == KINDS.index("class"), other_box, same_box)


def _nearest(outcomes: Outcomes) -> tuple[Array, Array, Array, Array]:
    """IoU and number of the box that a detection overlaps most: of its class, and of any other."""
    count = len(outcomes.scores)
    same, same_box, other, other_box = np.zeros(count), np.full(count, -1), np.zeros(count), np.full(count, -1)
    counts = ~outcomes.ignored
    for label in range(1, len(outcomes.classes) + 1):
        mine = np.flatnonzero(outcomes.labels == label)
        for own, overlaps, boxes in (
            (np.flatnonzero(counts & (outcomes.true_labels == label)), same, same_box),
            (np.flatnonzero(counts & (outcomes.true_labels != label)), other, other_box),
        ):
            found, which = best_overlap(
                outcomes.images[mine], outcomes.boxes[mine], outcomes.true_images[own], outcomes.true_boxes[own]
            )
            overlaps[mine] = found
            boxes[mine] = own[which] if len(own) else -1
    return same, same_box, other, other_box


def _put_right(outcomes: Outcomes, wrong: Array, boxes: Array | None) -> tuple[Array, Array]:
    """Verdicts and labels if these errors were right: what finds a box that nothing has found is, the rest is gone."""
    verdicts, labels = outcomes.verdicts.copy(), outcomes.labels.copy()
    found = set(outcomes.matched[outcomes.matched >= 0].tolist())
    for place in np.flatnonzero(wrong):
        box = -1 if boxes is None else int(boxes[place])
        if box < 0 or box in found:
            labels[place] = 0
            continue
        found.add(box)
        verdicts[place], labels[place] = TRUE, outcomes.true_labels[box]
    return verdicts, labels


def _missed(outcomes: Outcomes, kinds: Array, boxes: Array) -> Array:
    """bool (M,): boxes that nothing has found, and that no error of class or place is on."""
    missed = ~outcomes.ignored
    missed[outcomes.matched[outcomes.matched >= 0]] = False
    missed[boxes[np.isin(kinds, [KINDS.index("class"), KINDS.index("place")])]] = False
    return missed


def _mean_ap(outcomes: Outcomes, verdicts: Array, labels: Array, positives: Array, style: Style) -> float:
    counts = enumerate(positives.tolist(), start=1)
    known = [class_ap(verdicts[labels == label], count, style) for label, count in counts]
    return float(np.mean([one for one in known if one is not None] or [0.0]))
