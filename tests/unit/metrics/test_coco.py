from __future__ import annotations

import pytest
import torch

from clipgap.metrics import CocoAP

BOX = torch.tensor([[10.0, 10.0, 30.0, 30.0]])


def test_after_reset_nothing_is_left() -> None:
    metric = CocoAP(["car"])
    found = {"boxes": BOX + 100, "scores": torch.tensor([0.95]), "labels": torch.tensor([1])}
    no = torch.zeros(1, dtype=torch.bool)
    target = {"boxes": BOX, "labels": torch.tensor([1]), "difficult": no, "iscrowd": no}
    metric.update([found], [target])
    assert metric.compute().headline == 0
    metric.reset()
    metric.update([{**found, "boxes": BOX}], [target])
    result = metric.compute()
    assert (result.headline, result.images, result.boxes) == (pytest.approx(100), 1, 1)
