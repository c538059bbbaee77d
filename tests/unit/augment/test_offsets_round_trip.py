"""A file of semantic augmentations gives back what was saved, bit by bit, and refuses what does not fit together."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from clipgap.augment import SemanticAugmentations
from clipgap.augment.offsets import METADATA, UNCHECKED
from clipgap.errors import WeightsError
from clipgap.prompts import PromptSet

words = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words, st.lists, max_leaves=5
)
sizes = st.integers(1, 4)


@settings(max_examples=60, derandomize=True)
@given(
    prompts=st.lists(words, min_size=1, max_size=4),
    shape=st.tuples(sizes, sizes, sizes),
    kind=st.sampled_from([torch.float32, torch.float16, torch.float64]),
    scaled=st.booleans(),
    texts=st.tuples(words, words, words),
    record=st.dictionaries(words, values, max_size=3),
    seed=st.integers(0, 1000),
)
def test_what_is_saved_is_loaded(
    prompts: list[str],
    shape: tuple[int, ...],
    kind: torch.dtype,
    scaled: bool,
    texts: tuple[str, ...],
    record: dict[str, Any],
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.randn(len(prompts), *shape, generator=generator).to(kind)
    scales = torch.rand(len(prompts), shape[0], generator=generator) if scaled else None
    source, name, hashed = texts
    made = SemanticAugmentations(offsets, PromptSet(source, tuple(prompts)), name, hashed, record, scales)
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "a.safetensors")
        found = SemanticAugmentations.load(Path(folder) / "a.safetensors")
    assert found.offsets.dtype == kind
    assert torch.equal(found.offsets, offsets)
    assert (found.prompts, found.clip_name, found.clip_hash) == (made.prompts, name, hashed)
    assert found.record == record
    assert (found.scales is None) == (scales is None)
    assert scales is None or torch.equal(found.scales, scales)  # type: ignore[arg-type]


GOOD = {
    "format": UNCHECKED,
    "source_prompt": "a day",
    "target_prompts": ["fog", "night"],
    "clip_name": "tiny",
    "clip_hash": "0",
    "record": {},
}
TENSORS = {"offsets": torch.zeros(2, 3, 1, 1), "scales": torch.ones(2, 3)}


def load(folder: Path, origin: object, tensors: dict[str, torch.Tensor]) -> SemanticAugmentations:
    save_file(tensors, folder / "a.safetensors", {METADATA: json.dumps(origin)})
    return SemanticAugmentations.load(folder / "a.safetensors")


def test_the_good_one_of_these_tests_is_good(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD, TENSORS).prompts.targets == ("fog", "night")


@pytest.mark.parametrize(
    "origin",
    [[], "x", None, *({k: v for k, v in GOOD.items() if k != key} for key in GOOD)]
    + [GOOD | change for change in ({"clip_hash": 1}, {"target_prompts": "fog"}, {"target_prompts": []}, {"record": 1})]
    + [GOOD | change for change in ({"target_prompts": [1, 2]}, {"target_prompts": ["one"]}, {"format": []})],
)
def test_a_file_that_says_something_else_is_one_clear_line(tmp_path: Path, origin: object) -> None:
    with pytest.raises(WeightsError, match=r"^\S+a\.safetensors: not a file of semantic augmentations"):
        load(tmp_path, origin, TENSORS)


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": torch.zeros(2, 3)},
        {"offsets": torch.zeros(3, 3, 1, 1)},
        {"offsets": torch.zeros(2, 3, 0, 1)},
        {"offsets": torch.zeros(2, 3, 1, 1, dtype=torch.int64)},
        {"offsets": torch.zeros(2, 3, 1, 1).to(torch.float8_e4m3fn)},
        {"scales": torch.tensor(1.0)},
        {"scales": torch.ones(2, 4)},
    ],
)
def test_tensors_that_do_not_fit_together_are_one_clear_line(tmp_path: Path, change: dict[str, torch.Tensor]) -> None:
    with pytest.raises(WeightsError, match="not a file of semantic augmentations"):
        load(tmp_path, GOOD, TENSORS | change)
