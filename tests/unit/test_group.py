"""What several processes draw, count and pad is what one with all of their images does."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from clipgap.augment import OffsetFeatures, StyleBank
from clipgap.augment.norm import NormPerturbation
from clipgap.augment.sometimes import Sometimes
from clipgap.detector.preprocess import Preprocess
from clipgap.detector.sampler import Sampler
from clipgap.engine.names import CHECKPOINT, goes_on
from clipgap.errors import DataError, LostError
from clipgap.group import ALONE, Group, speaks
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
    preprocess = Preprocess(TINY.tower, TINY.tower.least_side)
    preprocess.group = Told([[80, 40]])
    images = [torch.zeros(3, 64, 96), torch.zeros(3, 48, 64)]
    assert preprocess.train()(images)[0].tensors.shape[2:] == (80, 96)
    assert preprocess.eval()(images)[0].tensors.shape[2:] == (64, 96)


def test_what_the_main_process_is_refused_for_all_are_and_it_alone_says_so() -> None:
    with pytest.raises(DataError, match="folder: taken"), Told([None]).by_main(refuse):
        pass
    with pytest.raises(SystemExit) as ended, Told([2], rank=1).by_main(refuse):
        pass
    assert ended.value.code == 2
    with Told([None], rank=1).by_main(refuse) as entered:  # the main one was not refused
        assert entered is None
    with ALONE.by_main(lambda: nullcontext("mine")) as entered:
        assert entered == "mine"


def test_the_main_process_makes_first_what_the_others_find() -> None:
    assert ALONE.main_first(lambda: "made") == "made"
    assert Told([None], rank=1).main_first(lambda: "found") == "found"


def test_what_the_main_process_has_made_all_are_told() -> None:
    assert ALONE.main_does(lambda: "made") == "made"
    with pytest.raises(DataError, match="taken"):
        ALONE.main_does(refuse)


def refuse() -> AbstractContextManager[None]:
    raise DataError("folder: taken")


@pytest.mark.parametrize("said", ["[../gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:1", "Socket closed"])
def test_a_lost_partner_is_told_in_one_line(said: str) -> None:
    with pytest.raises(LostError, match="another of the 3 processes has ended"), Group(1, 3).kept():
        raise RuntimeError(said)
    for group, other in ((ALONE, said), (Group(1, 3), "shape mismatch")):
        with pytest.raises(RuntimeError, match=re.escape(other)), group.kept():
            raise RuntimeError(other)


def test_a_run_that_torchrun_starts_again_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not goes_on(tmp_path / CHECKPOINT, resume=False)
    assert goes_on(tmp_path / CHECKPOINT, resume=True)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert not goes_on(tmp_path / CHECKPOINT, resume=False)  # it had saved nothing
    (tmp_path / CHECKPOINT).touch()
    assert goes_on(tmp_path / CHECKPOINT, resume=False)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert not goes_on(tmp_path / CHECKPOINT, resume=False)


def test_who_speaks_is_said_by_whoever_started_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert speaks()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert speaks()
    monkeypatch.setenv("RANK", "8")  # the first of the second machine
    assert not speaks()
