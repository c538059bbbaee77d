from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tests.clips import TINY, make_clip

from clipgap.augment import OffsetFeatures, SemanticAugmentations, permute_channels, random_like
from clipgap.clip import ClipSpec, ModifiedResNetSpec
from clipgap.errors import WeightsError
from clipgap.prompts import BUILT_IN, PromptSet


def make_augmentations(clip_hash: str | None = None) -> SemanticAugmentations:
    offsets = torch.randn(2, TINY.tower.c4_channels, 4, 4, generator=torch.Generator().manual_seed(0))
    return SemanticAugmentations(
        offsets, PromptSet("day", ("fog", "night")), "tiny", clip_hash or make_clip().weights_hash, {"seed": 3}
    )


def test_a_file_holds_everything(tmp_path: Path) -> None:
    written = make_augmentations()
    written.save(tmp_path / "deep" / "aug.safetensors")
    read = SemanticAugmentations.load(tmp_path / "deep" / "aug.safetensors")
    assert torch.equal(read.offsets, written.offsets)
    assert (read.prompts, read.clip_name, read.clip_hash, read.record) == (
        written.prompts,
        written.clip_name,
        written.clip_hash,
        written.record,
    )
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["aug.safetensors"]


def test_pooled_is_the_spatial_mean() -> None:
    augmentations = make_augmentations()
    assert augmentations.pooled.shape == (2, TINY.tower.c4_channels)
    torch.testing.assert_close(augmentations.pooled[1, 5], augmentations.offsets[1, 5].sum() / 16)


def test_a_clip_with_other_weights_or_another_shape_is_refused() -> None:
    augmentations = make_augmentations()
    augmentations.check_fits(make_clip(), "aug.safetensors")
    with pytest.raises(WeightsError, match=r"aug\.safetensors: fitted with other weights .* fit again"):
        augmentations.check_fits(make_clip(seed=1), "aug.safetensors")
    tower = TINY.tower.model_copy(update={"width": 16})
    wide = make_clip(ClipSpec(ModifiedResNetSpec(**tower.model_dump()), TINY.text, True))
    with pytest.raises(WeightsError, match=r"fitted for 128 channels .* has 256"):
        augmentations.check_fits(wide, "aug.safetensors")


@pytest.mark.parametrize("content", [b"", b"junk that is no safetensors file at all"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "aug.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="not a file of semantic augmentations"):
        SemanticAugmentations.load(tmp_path / "aug.safetensors")


def test_safetensors_of_others_and_missing_files_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="not a file of semantic augmentations"):
        SemanticAugmentations.load(tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"no such file .* `clipgap fit` makes one"):
        SemanticAugmentations.load(tmp_path / "nowhere.safetensors")


def test_random_offsets_have_the_fitted_ones_norms_and_other_directions() -> None:
    pooled = make_augmentations().pooled
    drawn = random_like(pooled, seed=1)
    torch.testing.assert_close(drawn.norm(dim=1), pooled.norm(dim=1))
    assert torch.nn.functional.cosine_similarity(drawn, pooled).abs().max() < 0.5
    assert torch.equal(drawn, random_like(pooled, seed=1))
    assert not torch.equal(drawn, random_like(pooled, seed=2))


def test_permuted_offsets_keep_their_numbers_and_how_alike_they_are() -> None:
    pooled = make_augmentations().pooled
    mixed = permute_channels(pooled, seed=1)
    torch.testing.assert_close(mixed.sort(dim=1).values, pooled.sort(dim=1).values)
    torch.testing.assert_close(mixed @ mixed.T, pooled @ pooled.T)
    assert not torch.equal(mixed, pooled)
    assert torch.equal(mixed, permute_channels(pooled, seed=1))


def test_every_image_draws_its_own_offset_with_the_batchs_probability() -> None:
    pooled = torch.tensor([[1.0, 0], [0, 10]])
    moves = OffsetFeatures(pooled, probability=0.5)
    generator = torch.Generator().manual_seed(0)
    features = torch.zeros(2, 2, 3, 5)
    seen = [moves(features, generator)[:, :, 0, 0] for _ in range(400)]
    unmoved = sum(bool((one == 0).all()) for one in seen)
    assert 160 < unmoved < 240  # per batch: never one image moved and the other not
    assert all(bool((one == 0).all() or (one.sum(1) > 0).all()) for one in seen)
    drawn = torch.stack([one for one in seen if one.any()])
    assert set(map(tuple, drawn.flatten(0, 1).tolist())) == {(1.0, 0.0), (0.0, 10.0)}
    assert 0.3 < (drawn[:, 0] != drawn[:, 1]).any(1).float().mean() < 0.7
    assert moves(features, generator).shape == features.shape


def test_padding_has_no_say_in_a_deviation() -> None:
    """Images of 40 x 70 and 90 x 33 pixels in one batch: what is inside moves as if they were alone."""
    cells = [(2, 4), (5, 2)]
    moves = OffsetFeatures(torch.tensor([[1.0, -2, 3]]), probability=1.0, scales=torch.tensor([[0.5, 2, 3]]))
    features = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    moved = moves(features, torch.Generator().manual_seed(0), cells)
    for one, after, (rows, columns) in zip(features, moved, cells, strict=True):
        alone = moves(one[None, :, :rows, :columns], torch.Generator().manual_seed(0))[0]
        torch.testing.assert_close(after[:, :rows, :columns], alone)
    whole = moves(features, torch.Generator().manual_seed(0))
    assert not torch.allclose(moved, whole, atol=0.1)


@pytest.mark.parametrize("side", range(16, 66))
def test_the_cells_of_a_side_are_those_that_the_trunk_makes(side: int) -> None:
    with torch.no_grad():
        assert make_clip().trunk(torch.zeros(1, 3, side, 32)).shape[2] == make_clip().trunk.cells(side)


def test_the_built_in_prompts_are_the_papers() -> None:
    weather, art = BUILT_IN["weather"], BUILT_IN["art"]
    assert (weather.source, len(weather.targets), weather.targets[0], weather.targets[-1]) == (
        "an image taken during the day",
        15,
        "an image taken on a snow day",
        "an image taken on a stormy night",
    )
    assert (art.source, len(art.targets)) == ("a realistic image", 7)
    assert art.targets[5] == "an image in the watercolor painting style"


def test_the_same_augmentations_are_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """safetensors writes several keys of metadata in an order that changes from process to process."""
    make_augmentations().save(tmp_path / "one.safetensors")
    with safe_open(tmp_path / "one.safetensors", framework="pt") as file:
        assert len(file.metadata()) == 1
    make_augmentations().save(tmp_path / "other.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()
