"""What several processes draw, count and pad is what one with all of their images does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from clipgap.augment import OffsetFeatures, StyleBank
from clipgap.augment.norm import NormPerturbation
from clipgap.augment.sometimes import Sometimes
from clipgap.detector.preprocess import Preprocess
from clipgap.detector.sampler import Sampler
from clipgap.group import ALONE, Group
from tests.clips import TINY
from tests.groups import Told


def test_alone_nothing_is_exchanged() -> None:
    assert ALONE.main
    assert ALONE.exchange("mine") == ["mine"]
    assert ALONE.of_all([1, 2, 3]) == [1, 2, 3]
    assert ALONE.mean(7) == 7


def test_the_batch_of_all_is_view_by_view_and_in_each_process_by_process() -> None:
    assert [Group(rank, 2, views=2).rows(4) for rank in range(2)] == [[0, 1, 4, 5], [2, 3, 6, 7]]
    assert Told([["c", "d", "C", "D"]], views=2).of_all(["a", "b", "A", "B"]) == list("abcdABCD")
    assert Told([["a", "b", "A", "B"]], rank=1, views=2).of_all(["c", "d", "C", "D"]) == list("abcdABCD")
    assert Told([5, 6]).mean(1) == 4


@pytest.mark.parametrize("views", [1, 2])
def test_samples_are_those_of_one_process_that_has_all_images(views: int) -> None:
    labels = [
        torch.randint(-1, 3, (50 + 10 * image,), generator=torch.Generator().manual_seed(image)) for image in range(8)
    ]
    sampler = Sampler(16, 0.25)
    torch.manual_seed(3)
    alone = sampler(labels)
    after = torch.rand(())
    counts = [(int((one >= 1).sum()), int((one == 0).sum())) for one in labels]
    for rank in range(2):
        own, others = Group(rank, 2, views).rows(4), Group(1 - rank, 2, views).rows(4)
        sampler.group = Told([[counts[row] for row in others]], rank, views)
        torch.manual_seed(3)
        drawn = sampler([labels[row] for row in own])
        assert torch.rand(()) == after  # what comes next is the same too
        for masks, expected in zip(drawn, alone, strict=True):
            assert all(torch.equal(mask, expected[row]) for mask, row in zip(masks, own, strict=True))


@pytest.mark.parametrize(
    "lever",
    [
        OffsetFeatures(torch.randn(5, 3, generator=torch.Generator().manual_seed(1)), 1.0),
        NormPerturbation(1.0),
        StyleBank(torch.arange(15.0).reshape(5, 3), torch.ones(5, 3), 1.0),
    ],
    ids=lambda lever: type(lever).__name__,
)
def test_levers_move_images_as_one_process_that_has_all_would(lever: Sometimes) -> None:
    features = torch.randn(4, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    lever.group = ALONE
    alone = moved(lever, features)
    for rank in range(2):
        lever.group = Group(rank, 2)
        assert torch.equal(moved(lever, features[2 * rank : 2 * rank + 2]), alone[2 * rank : 2 * rank + 2])


def moved(lever: nn.Module, features: Tensor) -> Tensor:
    made: Tensor = lever(features, torch.Generator().manual_seed(7))
    return made


def test_a_batch_is_as_large_as_any_of_the_others_in_training_alone() -> None:
    preprocess = Preprocess(TINY.tower)
    preprocess.group = Told([[80, 40]])
    images = [torch.zeros(3, 64, 96), torch.zeros(3, 48, 64)]
    assert preprocess.train()(images)[0].tensors.shape[2:] == (80, 96)
    assert preprocess.eval()(images)[0].tensors.shape[2:] == (64, 96)
