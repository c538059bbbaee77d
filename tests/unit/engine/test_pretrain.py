from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from clipgap.clip import TINIES, TINY, load_clip
from clipgap.config import ClipConfig
from clipgap.engine.pretrain import Pretraining, contrast, pretrain
from clipgap.engine.pretrain import loop as module
from clipgap.errors import ConfigError, DataError
from clipgap.world import DOMAINS, TARGETS

CPU = torch.device("cpu")
SHORT = Pretraining(scenes=12, steps=3, batch_size=8, warmup=1, word_steps=2, held_out=10)


def embeddings(seed: int, count: int = 6) -> torch.Tensor:
    return F.normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_with_one_right_answer_the_contrast_is_clips() -> None:
    images, texts, scale = embeddings(0), embeddings(1), torch.tensor(5.0)
    logits, answers = 5 * images @ texts.T, torch.arange(6)
    theirs = (F.cross_entropy(logits, answers) + F.cross_entropy(logits.T, answers)) / 2
    everything = torch.ones(6, 6, dtype=torch.bool)
    assert contrast(images, texts, scale, torch.eye(6, dtype=torch.bool), everything).item() == pytest.approx(
        theirs.item(), rel=1e-6
    )


def test_pairs_that_are_neither_right_nor_wrong_do_not_count() -> None:
    images, texts, scale, true = embeddings(0), embeddings(1), torch.tensor(5.0), torch.eye(6, dtype=torch.bool)
    clear = torch.ones(6, 6, dtype=torch.bool)
    clear[0, 3] = False
    moved = texts.clone().requires_grad_()
    contrast(images[:1], moved, scale, true[:1], clear[:1]).backward()  # type: ignore[no-untyped-call]
    assert moved.grad is not None
    assert moved.grad[3].abs().max() == 0
    assert moved.grad[2].abs().max() > 0


def test_several_right_answers_share_the_weight() -> None:
    images, scale = embeddings(0, 2), torch.tensor(5.0)
    true, clear = torch.ones(2, 2, dtype=torch.bool), torch.ones(2, 2, dtype=torch.bool)
    assert contrast(images, images, torch.tensor(0.0), true, clear).item() == pytest.approx(0.6931, abs=1e-4)
    assert contrast(images, images, scale, true, clear) > contrast(images, images, torch.tensor(0.0), true, clear)


def test_pretraining_leaves_weights_that_load_a_log_and_a_card(tmp_path: Path) -> None:
    card = pretrain(tmp_path / "one", SHORT, CPU, workers=1)
    again = pretrain(tmp_path / "two", SHORT, CPU, workers=1)
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["card.json", "log.jsonl", "tiny_clip.safetensors"]
    assert (tmp_path / "one/tiny_clip.safetensors").read_bytes() == (
        tmp_path / "two/tiny_clip.safetensors"
    ).read_bytes()
    assert (tmp_path / "one/tiny_clip.safetensors").stat().st_size < 12e6
    clip = load_clip(ClipConfig(name="tiny", file=str(tmp_path / "one/tiny_clip.safetensors")))
    assert clip.spec == TINY
    assert set(card["zero_shot"]) == {"web", "streets"}
    assert set(card["zero_shot"]["streets"]) == set(DOMAINS)
    assert card["zero_shot"] == again["zero_shot"] == json.loads((tmp_path / "two/card.json").read_text())["zero_shot"]


def test_an_interrupted_pretraining_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY", 1)
    pretrain(tmp_path / "whole", SHORT, CPU, workers=1)
    checkpoint = module._checkpoint

    def stop(file: Path, recipe: Pretraining, step: int, *rest: object) -> None:
        checkpoint(file, recipe, step, *rest)  # type: ignore[arg-type]
        if step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tmp_path / "cut", SHORT, CPU, workers=1)
    monkeypatch.setattr(module, "_checkpoint", checkpoint)
    with pytest.raises(DataError, match="is there already"):
        pretrain(tmp_path / "cut", SHORT, CPU)
    with pytest.raises(ConfigError, match="begun with other settings"):
        pretrain(tmp_path / "cut", Pretraining(scenes=12, steps=4, batch_size=8, word_steps=2), CPU, 1, resume=True)
    pretrain(tmp_path / "cut", SHORT, CPU, workers=1, resume=True)
    weights = [(tmp_path / name / "tiny_clip.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


def test_the_control_tower_is_drawn_without_the_target_conditions() -> None:
    skipped = tuple(DOMAINS[name] for name in TARGETS)
    conditions = set(Pretraining(skipped=skipped).conditions)
    assert not conditions & set(skipped)
    assert len(conditions) == 18 - 4


@pytest.mark.parametrize("tower", ["convnext", "vit"])
def test_other_towers_learn_to_meet_the_words_of_the_first(tmp_path: Path, tower: str) -> None:
    card = pretrain(tmp_path / "out", replace(SHORT, tower=tower), CPU, workers=1)
    file = tmp_path / f"out/tiny_{tower}.safetensors"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["card.json", "log.jsonl", file.name]
    assert (file.stat().st_size < 12e6, card["recipe"]["tower"]) == (True, tower)
    clip, words = load_clip(ClipConfig(name=f"tiny-{tower}", file=str(file))), ["a photo of a car", "fog"]
    assert clip.spec == TINIES[f"tiny-{tower}"]
    torch.testing.assert_close(clip.embed_text(words), load_clip(ClipConfig(name="tiny")).embed_text(words))
