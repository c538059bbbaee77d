from __future__ import annotations

import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from tests.clips import TINY, make_clip, openai_state, save_torchscript

from clipgap.clip import ClipSpec, halve, load_clip
from clipgap.clip import load as loading
from clipgap.clip.load import _spec
from clipgap.config import ClipConfig
from clipgap.errors import WeightsError

PROMPTS = ["an image taken during the day", "a photo of a car"]


def test_a_real_rn101_in_openais_layout_gives_open_clips_own_embeddings(tmp_path: Path) -> None:
    original = make_clip(_spec(ClipConfig(name="RN101"), quick_gelu=True))
    state = openai_state(original)
    original.model.load_state_dict({k: v.float() for k, v in state.items() if k not in loading.OPENAI_MARKS})
    save_torchscript(state, tmp_path / "RN101.pt")

    clip = load_clip(ClipConfig(name="RN101", file=str(tmp_path / "RN101.pt")))

    assert (clip.spec.tower.roi_size, clip.trunk.out_channels, clip.spec.tower.embed_dim) == (14, 1024, 512)
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = original.model.encode_image(images)
        embedding, mean = clip.roi_part(clip.trunk(images))
        torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-5)
        assert mean.shape == (2, 2048)
        expected_text = original.model.encode_text(loading.open_clip.tokenize(PROMPTS), normalize=True)
    torch.testing.assert_close(clip.embed_text(PROMPTS), expected_text, rtol=1e-4, atol=1e-5)
    plain = load_clip(ClipConfig(name="RN101", file=str(tmp_path / "RN101.pt"), quick_gelu=False))
    assert (plain.embed_text(PROMPTS) - expected_text).abs().max() > 1e-3
    assert clip.weights_hash == original.weights_hash


@pytest.mark.parametrize("quick", [True, False])
def test_text_embeddings_depend_on_the_activation(tmp_path: Path, quick: bool) -> None:
    other = ClipSpec(TINY.tower, TINY.text, quick_gelu=not quick)
    state = make_clip().model.state_dict()
    torch.save(state, tmp_path / "clip.pt")
    right = load_clip(ClipConfig(name="tiny", file=str(tmp_path / "clip.pt"), quick_gelu=quick))
    wrong = load_clip(ClipConfig(name="tiny", file=str(tmp_path / "clip.pt"), quick_gelu=not quick))
    reference = ClipSpec(TINY.tower, TINY.text, quick_gelu=quick).build()
    reference.load_state_dict(state)
    expected = reference.encode_text(loading.open_clip.tokenize(PROMPTS), normalize=True)
    torch.testing.assert_close(right.embed_text(PROMPTS), expected.detach(), rtol=1e-4, atol=1e-5)
    assert (wrong.embed_text(PROMPTS) - expected).abs().max() > 1e-3
    assert wrong.spec == other
    assert right.weights_hash != wrong.weights_hash


@pytest.mark.parametrize("form", ["torchscript", "plain openai", "open_clip", "training checkpoint", "safetensors"])
def test_every_file_format_gives_the_same_clip(tmp_path: Path, form: str) -> None:
    original = make_clip()
    state, path, settings = original.model.state_dict(), tmp_path / "clip.pt", {"quick_gelu": True}
    if form == "torchscript":
        save_torchscript(openai_state(original), path)
        settings = {}
    elif form == "plain openai":
        torch.save(openai_state(original), path)
        settings = {}
    elif form == "open_clip":
        torch.save(state, path)
    elif form == "training checkpoint":
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    else:
        path = tmp_path / "clip.safetensors"
        save_file(state, path)
    clip = load_clip(ClipConfig(name="tiny", file=str(path), **settings))
    assert clip.spec == TINY
    if "openai" in form or form == "torchscript":  # half precision: equal to what was written, not to the original
        state = {k: v.float() for k, v in openai_state(original).items() if k not in loading.OPENAI_MARKS}
    for name, tensor in clip.model.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_an_unmarked_file_without_a_tag_must_say_its_activation(tmp_path: Path) -> None:
    torch.save(make_clip().model.state_dict(), tmp_path / "clip.pt")
    with pytest.raises(WeightsError, match=r"clip\.pt.*clip\.quick_gelu=true"):
        load_clip(ClipConfig(name="RN50", file=str(tmp_path / "clip.pt")))


def test_a_tag_sets_the_activation_and_the_file_must_fit_the_name(tmp_path: Path) -> None:
    torch.save(make_clip().model.state_dict(), tmp_path / "clip.pt")
    with pytest.raises(WeightsError, match=r"clip\.name=RN50 is"):
        load_clip(ClipConfig(name="RN50", pretrained="openai", file=str(tmp_path / "clip.pt")))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_a_file_that_would_run_code_is_refused_unread(tmp_path: Path, write: object) -> None:
    path = tmp_path / "evil.pt"
    write({"visual.conv1.weight": Bomb()}, path)  # type: ignore[operator]
    with pytest.raises(WeightsError, match=r"evil\.pt"):
        load_clip(ClipConfig(name="tiny", file=str(path), quick_gelu=True))


def test_a_torchscript_archive_that_names_other_things_is_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
        archive.writestr("evil/constants.pkl", b"")
        archive.writestr("evil/data.pkl", pickle.dumps(Bomb()))
    with pytest.raises(WeightsError, match=r"evil\.pt.*builtins\.exec"):
        load_clip(ClipConfig(name="tiny", file=str(tmp_path / "evil.pt"), quick_gelu=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("visual.layer2.0.conv1.weight"), r"visual\.layer2\.0\.conv1\.weight is missing"),
        (lambda s: s.update({"extra": torch.zeros(1)}), "extra has no place"),
        (lambda s: s.update({"visual.bn1.weight": torch.zeros(3)}), r"visual\.bn1\.weight has shape \(3,\)"),
        (lambda s: s.pop("visual.attnpool.positional_embedding"), "no CLIP with an image tower that fits"),
        (lambda s: s.pop("ln_final.weight"), "no CLIP: it has no usable 'ln_final.weight'"),
        (lambda s: s.clear(), "no CLIP with an image tower that fits"),
    ],
)
def test_a_state_dict_that_is_no_clip_is_named(tmp_path: Path, change: object, message: str) -> None:
    state = dict(make_clip().model.state_dict())
    change(state)  # type: ignore[operator]
    torch.save(state, tmp_path / "clip.pt")
    with pytest.raises(WeightsError, match=message):
        load_clip(ClipConfig(name="tiny", file=str(tmp_path / "clip.pt"), quick_gelu=True))


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk", b"\x08\0\0\0\0\0\0\0{junk"])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=r"clip\.pt") as error:
        load_clip(ClipConfig(name="tiny", file=str(tmp_path / "clip.pt"), quick_gelu=True))
    assert "\n" not in str(error.value)


def test_without_file_and_network_the_message_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(loading, "download_pretrained", offline)
    with pytest.raises(WeightsError, match=r"RN101 / openai.*https://.*RN101\.pt.*\.cache/clip/RN101\.pt.*clip\.file"):
        load_clip(ClipConfig(name="RN101"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "RN50", "pretrained": "laion2b"}, "there are: openai, yfcc15m, cc12m, random"),
        ({"name": "tiny", "pretrained": "laion2b"}, "there are: world, random"),
        ({"name": "tiny", "file": "nowhere.pt"}, "nowhere.pt: no such file"),
    ],
)
def test_names_that_do_not_exist_are_answered_with_those_that_do(settings: dict[str, str], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        load_clip(ClipConfig(**settings))  # type: ignore[arg-type]


def test_random_weights_come_from_their_seed_and_use_every_branch() -> None:
    first, again, other = (load_clip(ClipConfig(name="tiny", pretrained="random", random_seed=s)) for s in (1, 1, 2))
    assert first.weights_hash == again.weights_hash != other.weights_hash
    assert float(first.model.visual.layer1[0].bn3.weight.min()) > 0
    assert str(first) == "CLIP tiny, weights: random (seed 1)"


@pytest.mark.parametrize(("name", "roi", "channels", "dim"), [("RN50", 14, 1024, 1024), ("RN50x4", 18, 1280, 640)])
def test_sizes_come_from_the_model(name: str, roi: int, channels: int, dim: int) -> None:
    spec = _spec(ClipConfig(name=name), quick_gelu=False)
    assert (spec.tower.roi_size, spec.tower.c4_channels, spec.tower.embed_dim) == (roi, channels, dim)
    assert spec.tower.build().attnpool.positional_embedding.shape[0] == (roi // 2) ** 2 + 1


def test_folded_parts_compute_the_same_without_batch_normalisation() -> None:
    clip = make_clip()
    images = torch.randn(2, 3, 64, 96)
    trunk, roi_part = clip.trunk.folded(), clip.roi_part.folded()
    with torch.no_grad():
        features = clip.trunk(images)
        torch.testing.assert_close(trunk(images), features, rtol=1e-4, atol=1e-4)
        regions = features[..., :4, :4]
        torch.testing.assert_close(roi_part(regions), clip.roi_part(regions), rtol=1e-4, atol=1e-4)
        main, shortcut = roi_part.begin(regions)
        torch.testing.assert_close(roi_part.finish(main, halve(shortcut)), roi_part(regions), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in trunk.modules())
    assert sum(isinstance(part, torch.nn.BatchNorm2d) for part in roi_part.modules()) == 2
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in clip.trunk.modules())


def test_a_group_of_prompts_is_the_unit_mean_and_one_alone_is_itself() -> None:
    clip = make_clip()
    one, other, alone = clip.embed_text(["a car", "an auto", "a bus"])
    grouped = clip.embed_groups([["a car", "an auto"], ["a bus"]])
    mean = (one + other) / 2
    torch.testing.assert_close(grouped[0], mean / mean.norm())
    assert torch.equal(grouped[1], alone)
