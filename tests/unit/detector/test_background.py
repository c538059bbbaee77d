"""What stands for the background: a constant logit, its own words, or an embedding that is learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tests.clips import make_clip
from tests.unit.detector.test_model import images, make_detector, targets
from torch.nn import functional as F

from clipgap.config import DetectorConfig, PromptsConfig
from clipgap.detector import Detector
from clipgap.detector.heads import TextClassifier

CLASSIFIER = "roi_heads.box_predictor.classifier."


def classifier_of(detector: Detector) -> TextClassifier:
    classifier = detector.roi_heads.box_predictor.classifier
    assert isinstance(classifier, TextClassifier)
    return classifier


def test_constant_is_what_it_was_and_stores_nothing() -> None:
    plain = make_detector()
    assert not [name for name in plain.state_dict() if name.endswith("background")]
    for kind in ("text", "learned"):
        other = make_detector(background=kind).state_dict()
        assert set(other) - set(plain.state_dict()) == {f"{CLASSIFIER}background"}
        assert all(torch.equal(tensor, other[name]) for name, tensor in plain.state_dict().items())


def test_text_is_the_embedding_of_its_words() -> None:
    clip, detector = make_clip(), make_detector(background="text")
    own = classifier_of(detector).background
    assert own is not None
    assert torch.equal(own, clip.embed_text(["a photo of a street"])[0])
    prompts = PromptsConfig(background=["a road", "the sky"])
    several = classifier_of(Detector.from_clip(clip, detector.spec, prompts)).background
    assert several is not None
    torch.testing.assert_close(several, F.normalize(clip.embed_text(["a road", "the sky"]).mean(0), dim=0))


def test_learned_begins_near_the_classes_mean_follows_the_seed_and_is_trained() -> None:
    detector = make_detector(background="learned")
    classifier = classifier_of(detector)
    own, mean = classifier.background, F.normalize(classifier.class_embeddings.mean(0), dim=0)
    assert own is not None
    assert float(own.detach().norm()) == pytest.approx(1)
    assert 0.99 < float(own.detach() @ mean) < 1
    again = classifier_of(make_detector(background="learned")).background
    assert again is not None
    assert torch.equal(own, again)
    torch.manual_seed(1)
    other = classifier_of(Detector.from_clip(make_clip(), detector.spec)).background
    assert other is not None
    assert not torch.equal(own, other)
    sum(detector.train()(images(), targets()).values()).backward()
    assert own.grad is not None
    assert float(own.grad.abs().sum()) > 0


@pytest.mark.parametrize("kind", ["text", "learned"])
def test_it_is_saved_with_the_detector(tmp_path: Path, kind: str) -> None:
    detector = make_detector(background=kind)
    detector.save(tmp_path)
    loaded = Detector.load(tmp_path)
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in detector.state_dict().items())
    ours, theirs = (one.detect(images(1), [(96, 128)])[0] for one in (detector, loaded))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert len(ours["boxes"]) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"background": "text", "classifier": "linear"}, "`background: text` needs `classifier: text`"),
        (
            {"background": "learned", "background_logit": 1.0},
            "`background_logit` is not used with `background: learned`: leave it out",
        ),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DetectorConfig.model_validate(settings)
