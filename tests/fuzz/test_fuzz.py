"""The fast form of `make fuzz`: a few hundred changes of good inputs for every reader, always the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.mutate import mutations
from tests.fuzz.target import Target, judge
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_what_is_in_a_file_is_read_or_told(target: Target, tmp_path: Path) -> None:
    target.prepare(tmp_path)
    for data in target.seeds()[: target.good]:
        target.read(data, tmp_path)
    faults: dict[str, bytes] = {}
    for data in mutations(target.seeds(), target.words, target.quick, seed=0):
        fault = judge(target, data, tmp_path)
        if fault:
            faults.setdefault(fault, data[:300])
    assert not faults, "\n".join(f"{fault}  <- {data!r}" for fault, data in faults.items())
