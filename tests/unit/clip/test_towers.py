"""Every family is cut so that both parts together are open_clip's own tower, and works wherever a tower does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
from benchmarks.memory import own_peak
from open_clip.model import CLIPTextCfg
from safetensors.torch import save_file
from tests.clips import TINY, make_clip
from torch import Tensor

from clipgap.clip import TINIES, Clip, ClipSpec, load_clip, shipped_file
from clipgap.clip.load import _spec, open_clip_config
from clipgap.clip.tower import redraw_norms
from clipgap.clip.towers import FAMILIES
from clipgap.clip.towers.convnext import ConvNextSpec
from clipgap.clip.towers.siglip import SiglipSpec
from clipgap.clip.towers.tokens import seen_cells, to_map, to_tokens
from clipgap.clip.towers.vit import ViTSpec
from clipgap.config import CLIPS, TINY_CLIPS, ClipConfig
from clipgap.detector.roi_align import roi_align
from clipgap.errors import ConfigError, WeightsError

TEXT = CLIPTextCfg(context_length=77, vocab_size=49408, width=64, heads=1, layers=2)
CONVNEXT = {"depths": (1, 2, 1, 2), "dims": (8, 12, 16, 24)}
VIT = {"patch_size": 8, "width": 32, "layers": 5, "head_width": 16, "mlp_width": 96, "roi_blocks": 2}
SIGLIP = SiglipSpec(embed_dim=32, image_size=64, patch_size=8, layers=5, heads=2, mlp_width=100, roi_blocks=2)
SIGLIP_TEXT = CLIPTextCfg(
    context_length=16,
    vocab_size=200,
    width=64,
    heads=1,
    layers=2,
    no_causal_mask=True,
    proj_bias=True,
    pool_type="last",
    norm_kwargs={"eps": 1e-6},
    act_kwargs={"approximate": "tanh"},
)
SPECS = {
    "modified_resnet": TINY,
    "convnext": ClipSpec(ConvNextSpec(embed_dim=32, image_size=64, **CONVNEXT), TEXT, False),
    "convnext, mlp": ClipSpec(ConvNextSpec(embed_dim=32, image_size=64, projection="mlp", **CONVNEXT), TEXT, False),
    "vit": ClipSpec(ViTSpec(embed_dim=32, image_size=64, quick_gelu=True, **VIT), TEXT, True),
    "vit, plain gelu": ClipSpec(ViTSpec(embed_dim=32, image_size=64, quick_gelu=False, **VIT), TEXT, False),
    "siglip": ClipSpec(SIGLIP, SIGLIP_TEXT, False),
}
every_family = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def pictures(spec: ClipSpec, count: int = 2) -> Tensor:
    side = spec.tower.image_size
    coarse = torch.randn(count, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    return 10 * torch.nn.functional.interpolate(coarse, (side, side))


@every_family
@torch.no_grad()
def test_roi_part_of_trunk_is_open_clips_own_embedding(spec: ClipSpec) -> None:
    clip, images = make_clip(spec), pictures(spec)
    expected = clip.model.encode_image(images)
    features = clip.trunk(images)
    embeddings, means = clip.roi_part(features)
    torch.testing.assert_close(embeddings, expected, rtol=1e-4, atol=1e-5)
    side = spec.tower.roi_size
    assert features.shape == (2, spec.tower.c4_channels, side, side)
    assert means.shape == (2, clip.roi_part.out_channels)
    assert clip.trunk.out_channels == spec.tower.c4_channels
    assert (embeddings[0] - embeddings[1]).abs().max() > 2e-3
    assert spec.tower.shown(features).shape == (2, spec.tower.rpn_channels, side, side)


@every_family
@torch.no_grad()
def test_a_region_that_is_the_whole_image_is_embedded_as_the_image_is(spec: ClipSpec) -> None:
    clip, images, tower = make_clip(spec), pictures(spec), spec.tower
    box = torch.tensor([[0.0, 0, tower.image_size, tower.image_size]])
    begun = clip.roi_part.begin(clip.trunk(images))
    regions = [
        roi_align(one, [box, box], tower.roi_size, tower.stride, halved=halved)
        for one, halved in zip(begun, clip.roi_part.halved, strict=True)
    ]
    torch.testing.assert_close(clip.roi_part.finish(*regions)[0], clip.model.encode_image(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("vision", [{"timm_model_name": "convnext_tiny", "timm_proj": "mlp", "timm_pool": ""}])
@torch.no_grad()
def test_a_convnext_is_the_one_that_open_clip_makes_of_its_settings(vision: dict[str, Any], tmp_path: Path) -> None:
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
    theirs = open_clip.CLIP(64, {**vision, "image_size": 64}, text).eval()  # type: ignore[arg-type]
    for name, parameter in theirs.visual.named_parameters():
        if name.endswith("gamma"):
            parameter.data.uniform_(0.1, 0.5)
    save_file(theirs.state_dict(), tmp_path / "clip.safetensors")
    clip = load_clip(ClipConfig(name="tiny-convnext", file=str(tmp_path / "clip.safetensors"), quick_gelu=False))
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(clip.roi_part(clip.trunk(images))[0], theirs.encode_image(images), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_siglip_is_timms_own(tmp_path: Path) -> None:
    sizes = {"img_size": 64, "embed_dim": 64, "depth": 3, "num_heads": 2, "mlp_ratio": 3.7362, "act_layer": "gelu_tanh"}
    theirs = timm.create_model("vit_base_patch16_siglip_224", num_classes=0, **sizes).eval()
    theirs.pos_embed.data.normal_()
    weights = {f"trunk.{name}": tensor for name, tensor in theirs.state_dict().items()}
    spec = SiglipSpec.read(weights, {"heads": 2, "activation": "gelu_tanh"}, quick_gelu=False)
    tower = spec.build().eval()
    tower.load_state_dict(weights)
    trunk, roi_part = spec.parts(tower)
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(roi_part(trunk(images))[0], theirs(images), rtol=1e-4, atol=1e-5)


def test_a_siglip_has_the_text_settings_of_its_name_and_a_tokenizer_of_its_own(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra siglip")
    spec = _spec(ClipConfig(name="ViT-B-16-SigLIP2"), quick_gelu=False)
    assert (spec.text.pool_type, spec.text.no_causal_mask, spec.text.act_kwargs) == (
        "last",
        True,
        {"approximate": "tanh"},
    )
    words = ["<pad>", "</s>", "<unk>", "a", "photo", "of", "car"]
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    own = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=own, **named).save_pretrained(tmp_path / "words")
    text = replace(SIGLIP_TEXT, hf_tokenizer_name="none/here", tokenizer_kwargs={"clean": "canonicalize"})
    clip = make_clip(ClipSpec(SIGLIP, text, False))
    clip.tokenize.place = str(tmp_path / "words")
    assert clip.tokenize(["A photo, of a car!"])[0].tolist() == [3, 4, 5, 3, 6, 1] + [0] * 10
    assert clip.tokenize([" ".join(["car"] * 15)])[0].tolist() == [6] * 15 + [1]
    with pytest.raises(ConfigError, match="longer than the 16 tokens"):
        clip.embed_text(["car", " ".join(["car"] * 16)])
    assert clip.embed_text(["a photo of a car", "a car"]).shape == (2, 32)
    clip = make_clip(ClipSpec(SIGLIP, text, False))
    clip.tokenize.place = str(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"nothing: the tokenizer is not on this machine.*clip\.tokenizer"):
        clip.embed_text(["a car"])


@every_family
def test_a_file_is_read_for_what_it_is_and_gives_the_same_words(spec: ClipSpec, tmp_path: Path) -> None:
    clip = make_clip(spec)
    if spec.tower.custom_text:
        pytest.skip("its words and sizes are those of a name")
    save_file(clip.model.state_dict(), tmp_path / "clip.safetensors")
    names = {"modified_resnet": "tiny", "convnext": "tiny-convnext", "vit": "tiny-vit"}
    settings: dict[str, Any] = {"roi_blocks": 2} if spec.tower.family == "vit" else {}
    name = names[spec.tower.family]
    config = ClipConfig(name=name, file=str(tmp_path / "clip.safetensors"), quick_gelu=spec.quick_gelu, **settings)
    loaded = load_clip(config)
    known = {"image_size", "head_width"}  # of which a file says nothing: those of the name are taken
    assert loaded.spec.tower.model_dump(exclude=known) == spec.tower.model_dump(exclude=known)
    assert loaded.weights_hash == clip.weights_hash
    prompts = ["an image taken on a fog day", "a photo of a car"]
    expected = clip.model.encode_text(open_clip.tokenize(prompts), normalize=True)
    torch.testing.assert_close(loaded.embed_text(prompts), expected.detach(), rtol=1e-4, atol=1e-5)


@every_family
@torch.no_grad()
def test_cells_are_those_that_the_trunk_makes_of_a_side(spec: ClipSpec) -> None:
    clip = make_clip(spec)
    for side in range(spec.tower.least_side, 75):
        assert clip.trunk(torch.ones(1, 3, side, 32)).shape[2] == clip.trunk.cells(side), side


@every_family
@torch.no_grad()
def test_folded_parts_compute_the_same(spec: ClipSpec) -> None:
    clip, images = make_clip(spec), pictures(spec)
    features = clip.trunk(images)
    torch.testing.assert_close(clip.trunk.folded()(images), features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(clip.roi_part.folded()(features), clip.roi_part(features), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_atrous_is_layer4_where_that_has_cells() -> None:
    part = make_clip(SPECS["convnext"]).roi_part
    features = torch.randn(1, 16, 12, 10, generator=torch.Generator().manual_seed(0))
    whole = part.atrous(features)
    assert whole.shape == (1, 24, 12, 10)
    torch.testing.assert_close(whole[..., ::2, ::2], part.layer4(features), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("window", [0, 2, 3, 2000])
@pytest.mark.parametrize("family", ["vit", "siglip"])
@torch.no_grad()
def test_a_transformer_makes_the_same_of_an_image_whatever_else_is_in_the_batch(family: str, window: int) -> None:
    tower = SPECS[family].tower.model_copy(update={"window": window, "layers": 9})
    clip = make_clip(replace(SPECS[family], tower=tower))
    small, large = torch.randn(1, 3, 40, 51), torch.randn(1, 3, 64, 72)
    batch = torch.zeros(2, 3, 64, 72)
    batch[:1, :, :40, :51], batch[1:] = small, large
    features = clip.trunk(batch)
    assert seen_cells(batch, 8)[0].sum() == 5 * 7
    torch.testing.assert_close(features[1:], clip.trunk(large), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features[:1, :, :5, :7], clip.trunk(small), rtol=1e-4, atol=1e-4)
    if family == "vit":
        assert torch.equal(features[0, 32:, 0, 0], features[0, 32:, -1, -1])  # the class token is everywhere


@torch.no_grad()
def test_windows_as_large_as_the_map_change_nothing_and_smaller_ones_do() -> None:
    images = pictures(SPECS["vit"])

    def trunk_with(window: int) -> Clip:
        tower = SPECS["vit"].tower.model_copy(update={"window": window, "layers": 8})
        return make_clip(replace(SPECS["vit"], tower=tower))

    whole = trunk_with(0).trunk(images)
    torch.testing.assert_close(trunk_with(8).trunk(images), whole, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(trunk_with(20).trunk(images), whole, rtol=1e-4, atol=1e-4)
    assert (trunk_with(4).trunk(images) - whole).abs().max() > 1e-2


def test_maps_hold_tokens() -> None:
    tokens = torch.randn(2, 1 + 3 * 4, 5)
    features = to_map(tokens, (3, 4))
    assert features.shape == (2, 10, 3, 4)
    assert torch.equal(features[:, :5, 1, 2], tokens[:, 1 + 4 + 2])
    torch.testing.assert_close(to_tokens(features), tokens)


@torch.no_grad()
def test_dense_of_a_vit_tells_regions_apart() -> None:
    clip = make_clip(SPECS["vit"])
    features = clip.roi_part.dense(clip.trunk(pictures(SPECS["vit"], 1)))
    left, right = (clip.roi_part.read(features[..., part])[0] for part in (slice(0, 4), slice(4, 8)))
    assert (left - right).abs().max() > 1e-2


@pytest.mark.parametrize("name", [name for name in CLIPS if not name.startswith("RN")])
def test_every_name_is_a_model_of_open_clip_that_fits(name: str) -> None:
    spec, known = _spec(ClipConfig(name=name), quick_gelu=False), open_clip_config(name)
    assert (spec.tower.embed_dim, spec.tower.image_size) == (known["embed_dim"], known["vision_cfg"]["image_size"])
    text = known["text_cfg"]
    assert all(getattr(spec.text, key) == value for key, value in text.items())
    assert spec.tower.family in FAMILIES


@pytest.mark.parametrize("name", TINY_CLIPS)
def test_tiny_clips_are_drawn_from_their_seed(name: str) -> None:
    clip = load_clip(ClipConfig(name=name, pretrained="random"))
    assert clip.spec == TINIES[name]
    assert str(clip) == f"CLIP {name}, weights: random (seed 0)"
    assert clip.weights_hash == load_clip(ClipConfig(name=name, pretrained="random")).weights_hash


def test_the_shipped_convnext_tells_the_words_of_the_shipped_resnet() -> None:
    clip, first = (load_clip(ClipConfig(name=name)) for name in ("tiny-convnext", "tiny"))
    words = ["a photo of a car", "an image taken on a fog day"]
    torch.testing.assert_close(clip.embed_text(words), first.embed_text(words), rtol=1e-3, atol=1e-3)
    assert str(clip) == "CLIP tiny-convnext, weights: miniature world"
    assert shipped_file("tiny-convnext").stat().st_size < 12e6
    with pytest.raises(
        WeightsError, match=r"clip\.name=tiny-vit: its weights are not shipped; `clipgap world pretrain"
    ):
        load_clip(ClipConfig(name="tiny-vit"))


def test_a_vit_is_cut_where_the_settings_say() -> None:
    spec = _spec(ClipConfig(name="ViT-B-16", roi_blocks=4, window=14), quick_gelu=False)
    assert isinstance(spec.tower, ViTSpec)
    assert (spec.tower.roi_blocks, spec.tower.window) == (4, 14)
    with pytest.raises(WeightsError, match=r"^clip\.name=ViT-B-16: clip\.roi_blocks=12: of 12 blocks at most 11"):
        _spec(ClipConfig(name="ViT-B-16", roi_blocks=12), quick_gelu=False)


def test_a_file_of_another_family_is_refused_under_any_name(tmp_path: Path) -> None:
    save_file(make_clip(SPECS["vit"]).model.state_dict(), tmp_path / "clip.safetensors")
    for name in ("tiny", "tiny-convnext", "RN50"):
        with pytest.raises(WeightsError, match=rf"clip\.safetensors: holds a vit, but clip\.name={name} is a"):
            load_clip(ClipConfig(name=name, file=str(tmp_path / "clip.safetensors"), quick_gelu=True))


def test_too_many_blocks_for_regions_are_told_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^clip\.name=tiny-vit: clip\.roi_blocks=8: of 8 blocks at most 7"):
        load_clip(ClipConfig(name="tiny-vit", pretrained="random", roi_blocks=8))


def test_weights_that_have_no_usual_tag_must_be_named() -> None:
    with pytest.raises(WeightsError, match="say which weights of convnext_base_w"):
        load_clip(ClipConfig(name="convnext_base_w"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update({"visual.conv1.weight": torch.zeros(3, 3, 3)}), "more or fewer dimensions"),
        (lambda s: s.update({"visual.positional_embedding": torch.zeros(60, 32)}), r"\(60, 32\), expected \(65, 32\)"),
    ],
)
def test_odd_tensors_of_a_vit_are_told(tmp_path: Path, change: Any, message: str) -> None:
    state = dict(make_clip(SPECS["vit"]).model.state_dict())
    change(state)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "clip.safetensors")
    with pytest.raises(WeightsError, match=message):
        load_clip(ClipConfig(name="tiny-vit", file=str(tmp_path / "clip.safetensors"), quick_gelu=True))


def test_another_cut_is_another_clip() -> None:
    cuts = ({}, {"roi_blocks": 3}, {"window": 4})
    hashes = {load_clip(ClipConfig(name="tiny-vit", pretrained="random", **cut)).weights_hash for cut in cuts}
    assert len(hashes) == 3


def test_settings_of_a_vit_are_refused_elsewhere() -> None:
    from clipgap.config import load_config

    with pytest.raises(ConfigError, match="roi_blocks and window are a ViT's, and RN50 is none"):
        load_config("mini_world", ["clip.name=RN50", "clip.window=7"])
    with pytest.raises(ConfigError, match="tokenizer is a SigLIP's, and tiny is none"):
        load_config("mini_world", ["clip.tokenizer=here"])
    with pytest.raises(ConfigError, match=r"clip.name=ViT-B-16 has no stride.*set detector.roi=dense"):
        load_config("mini_world", ["clip.name=ViT-B-16", "detector.roi=atrous"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RN101", "convnext_base_w", "ViT-B-16", "ViT-B-16-SigLIP"])
@torch.no_grad()
def test_real_sizes_are_read_from_files_of_open_clips_and_embed_as_it_does(name: str, tmp_path: Path) -> None:
    theirs = open_clip.create_model(name, pretrained=None).eval()
    redraw_norms(theirs.visual, torch.Generator().manual_seed(0))
    save_file(theirs.state_dict(), tmp_path / "clip.safetensors")
    clip = load_clip(ClipConfig(name=name, file=str(tmp_path / "clip.safetensors"), quick_gelu=False))
    images = torch.randn(1, 3, clip.tower_spec.image_size, clip.tower_spec.image_size)
    features = clip.trunk(images)
    expected = theirs.encode_image(images)
    torch.testing.assert_close(clip.roi_part(features)[0], expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    tokens = torch.randint(1, 30_000, (2, clip.spec.text.context_length))
    torch.testing.assert_close(clip.model.encode_text(tokens), theirs.encode_text(tokens), rtol=1e-4, atol=1e-5)
    count = sum(parameter.numel() for parameter in clip.tower.parameters())
    size = f"{count / 1e6:.0f} M image parameters, C4 {tuple(features.shape[1:])}"
    print(f"{name}: {size}, {own_peak():.1f} GB at most so far")
