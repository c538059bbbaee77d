from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
import torch

from clipgap.data import Sample
from clipgap.data.stream import SampleStream, generator_for, seed_for

COUNT = 7
Drawn = tuple[int, int]


class Numbers:
    """A data set whose samples are their own numbers."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> int:
        return index


def draw(sample: Any, generator: torch.Generator) -> Drawn:
    return sample, int(torch.randint(2**31, (), generator=generator))


def stream(seed: int = 0, batch_size: int = 2, first: int = 0, last: int = 14, **process: int) -> SampleStream[Drawn]:
    make: Callable[[Sample, torch.Generator], Drawn] = draw
    return SampleStream(
        Numbers(),  # type: ignore[arg-type]
        make,
        seed=seed,
        batch_size=batch_size,
        first=first,
        last=last,
        **process,
    )


def batches(samples: SampleStream[Drawn], workers: int = 0) -> list[list[Drawn]]:
    return list(samples.batches(workers, list))  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_samples_and_another_seed_others() -> None:
    assert batches(stream()) == batches(stream())
    indices, noise = zip(*stream(seed=0), strict=True)
    other_indices, other_noise = zip(*stream(seed=1), strict=True)
    assert indices != other_indices
    assert not set(noise) & set(other_noise)


def test_what_was_drawn_elsewhere_does_not_matter() -> None:
    expected = batches(stream())
    torch.manual_seed(123)
    samples = stream()
    backwards = [samples[i] for i in reversed(range(len(samples)))]
    assert backwards[::-1] == [sample for batch in expected for sample in batch]


def test_every_epoch_is_another_permutation_with_other_noise() -> None:
    drawn = list(stream(batch_size=1, last=4 * COUNT))
    epochs = [tuple(index for index, _ in drawn[i : i + COUNT]) for i in range(0, 4 * COUNT, COUNT)]
    assert all(sorted(epoch) == list(range(COUNT)) for epoch in epochs)
    assert len(set(epochs)) == 4
    assert len({noise for _, noise in drawn}) == len(drawn)


@pytest.mark.parametrize("step", [1, 3, 4, 13])
def test_going_on_at_a_step_gives_what_would_have_come(step: int) -> None:
    whole = batches(stream())
    assert batches(stream(last=step)) + batches(stream(first=step)) == whole
    assert len(whole) == 14
    assert {len(batch) for batch in whole} == {2}  # also where an epoch ends: 7 is odd


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_a_step_as_one_process_with_the_larger_batch_would_see_it(processes: int) -> None:
    shares = [batches(stream(first=2, rank=rank, processes=processes)) for rank in range(processes)]
    whole = batches(stream(first=2, batch_size=2 * processes))
    assert [[*chain(*step)] for step in zip(*shares, strict=True)] == whole
    noise = Counter(noise for share in shares for batch in share for _, noise in batch)
    assert max(noise.values()) == 1  # no sample is drawn by two


def test_workers_change_nothing() -> None:
    assert batches(stream(last=6), workers=2) == batches(stream(last=6))


@pytest.mark.parametrize("pinned", [False, True])
def test_batches_are_pinned_if_asked(pinned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def make(*_: object, pin_memory: bool, **__: object) -> list[object]:
        asked.append(pin_memory)
        return []

    monkeypatch.setattr("clipgap.data.stream.DataLoader", make)
    assert list(stream().batches(0, list, pinned=pinned)) == []  # type: ignore[arg-type]
    assert asked == [pinned]


def test_it_ends() -> None:
    samples = stream(first=3, last=5)
    assert len(samples) == 4
    assert len(list(samples)) == 4
    for position in (4, -1):
        with pytest.raises(IndexError):
            samples[position]
    assert batches(stream(first=5, last=5)) == []


def test_seeds_depend_on_every_part_of_their_key() -> None:
    keys = [(a, b, c) for a in range(4) for b in range(4) for c in range(4)]
    seeds = {seed_for(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert generator_for(1, 2).initial_seed() == seed_for(1, 2)
