"""Step one's formulas against numbers worked out by hand (METHOD, section 3)."""

from __future__ import annotations

import math

import pytest
import torch

from clipgap.augment import destination, directions, prompt_losses


def test_directions_are_unit_differences() -> None:
    source, targets = torch.tensor([1.0, 0]), torch.tensor([[0.0, 1], [0.6, 0.8]])
    expected = torch.tensor([[-1 / math.sqrt(2), 1 / math.sqrt(2)], [-0.4 / math.sqrt(0.8), 0.8 / math.sqrt(0.8)]])
    torch.testing.assert_close(directions(source, targets), expected)


def test_the_destination_is_the_unit_sum() -> None:
    z, d = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([0.0, 1])
    torch.testing.assert_close(destination(z, d), torch.tensor([[1 / math.sqrt(2)] * 2, [0, 1]]))


def test_losses_are_means_over_crops_and_over_crops_and_dimensions() -> None:
    z, d = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([0.0, 1])
    moved = torch.tensor([[0.0, 1], [0, 1]])
    losses = prompt_losses(moved, z, d)
    assert losses.direction.item() == pytest.approx((1 - 1 / math.sqrt(2) + 0) / 2)
    assert losses.l1.item() == pytest.approx((1 + 1 + 0 + 0) / 4)
