"""Does CLIP tell these words apart, and these images by them? Looks before step one is fitted to the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from clipgap.augment import directions
from clipgap.clip import Clip, load_clip
from clipgap.config import DomainConfig, RunConfig
from clipgap.data import DetectionDataset, load_domains, resize_square, to_tensor
from clipgap.data.records import Box
from clipgap.data.stream import generator_for
from clipgap.engine.fit import training_set
from clipgap.engine.progress import Report, progress_bar
from clipgap.engine.prompts_report import ClassRow, PromptRow, PromptsReport
from clipgap.engine.runtime import pick_device
from clipgap.prompts import PromptSet, class_prompts

AT_ONCE = 32
"""Pictures that go through CLIP together."""
Chosen = list[tuple[int, Box, int]]
"""Boxes: the image's place in the data set, the box in its pixels, the class's place in `classes`."""


@torch.no_grad()
def check_prompts(config: RunConfig, count: int = 200, *, show: bool = True) -> PromptsReport:
    """Look at the words of a run config with its CLIP, at boxes and at whole images of the source.

    Zero-shot classification is CLIP's (Radford et al. 2021, section 3.1): the class, or prompt, of the highest cosine.
    A box is resized to CLIP's square whatever its shape, as RoIAlign does; a whole image too.

    Args:
        config: boxes and images are of the source's `val`, or of `train` where it has none; `run.seed` chooses them.
        count: most boxes, as many of every class as there are, and most images.
        show: progress on stderr.

    Raises:
        ClipgapError: prompts, data or CLIP that cannot be used.
    """
    prompts = PromptSet.from_config(config.data.prompts)
    dataset, split = _looked_at(config)
    clip = load_clip(config.clip).to(pick_device(config.run))
    groups = class_prompts(config.data.classes, config.data.prompts)
    classes, words = clip.embed_groups(groups), clip.embed_text([prompts.source, *prompts.targets])
    chosen = choose_boxes(dataset, count, generator_for(config.run.seed, 9, 0))
    order = torch.randperm(len(dataset), generator=generator_for(config.run.seed, 9, 1))
    places = sorted(order[:count].tolist())
    with progress_bar("look", len(chosen) + len(places), show=show) as report:
        crops = torch.cat(
            [_forward(clip, batch, report) for batch in _batches(crops_of(dataset, chosen))] or [words[:0]]
        )
        whole = torch.cat([_forward(clip, batch, report) for batch in _batches(dataset[n].image for n in places)])
    cosines = whole @ words.T
    return PromptsReport(
        clip=str(clip),
        source=prompts.source,
        split=f"{config.data.source.name}/{split}",
        images=len(places),
        nearest_to_source=_percent(cosines[:, :1] > cosines[:, 1:].amax(1, keepdim=True)),
        prompts=tuple(_prompt_rows(prompts, words, cosines)),
        classes=tuple(_class_rows(config.data.classes, groups, classes, crops, [label for *_, label in chosen])),
    )


def choose_boxes(dataset: DetectionDataset, count: int, generator: torch.Generator) -> Chosen:
    """At most `count` boxes, no crowds, drawn so that every class has as many as there are to be had; by image."""
    label_of = {name: label for label, name in enumerate(dataset.classes)}
    boxes = [
        (place, annotation.box, label_of[annotation.name])
        for place, record in enumerate(dataset.records)
        for annotation in record.annotations
        if not annotation.crowd
    ]
    seen: Counter[int] = Counter()
    ranked = []
    for number in torch.randperm(len(boxes), generator=generator).tolist():
        seen[boxes[number][2]] += 1
        ranked.append((seen[boxes[number][2]], number))
    ranked.sort(key=lambda pair: pair[0])
    return [boxes[number] for number in sorted(number for _, number in ranked[:count])]


def _looked_at(config: RunConfig) -> tuple[DetectionDataset, str]:
    """The source's `val`, or `train`, and its name."""
    source, domain = load_domains(config.data).source, config.data.source
    if _has_val(domain) and source.selection is not None:
        return source.selection, str(domain.split_name("selection"))
    return training_set(source), str(domain.split_name("train"))


def _has_val(domain: DomainConfig) -> bool:
    """Without `val` weights are chosen on `test`, which nothing looks at before `evaluate`."""
    return any(part.val for part in domain.parts or [domain])


def crops_of(dataset: DetectionDataset, chosen: Chosen) -> Iterator[Image.Image]:
    """The chosen boxes cut out of their images, in order."""
    read, image = -1, Image.new("RGB", (1, 1))
    for place, (left, top, right, bottom), _ in chosen:
        if place != read:
            read, image = place, dataset[place].image
        x, y = min(int(left), image.width - 1), min(int(top), image.height - 1)
        yield image.crop((x, y, max(round(right), x + 1), max(round(bottom), y + 1)))


def _batches(pictures: Iterator[Image.Image]) -> Iterator[list[Image.Image]]:
    return iter(lambda: list(islice(pictures, AT_ONCE)), [])


def _forward(clip: Clip, pictures: list[Image.Image], report: Report) -> Tensor:
    """Unit image embeddings (N, D)."""
    embeddings, _ = clip.roi_part(clip.trunk(as_clip_sees(clip, pictures)))
    report(len(pictures))
    return F.normalize(embeddings, dim=-1)


def as_clip_sees(clip: Clip, pictures: Sequence[Image.Image]) -> Tensor:
    """Pictures squeezed into CLIP's square and normalised (N, 3, side, side), on its device."""
    side = clip.spec.tower.image_size
    batch = torch.stack([to_tensor(resize_square(picture, side)) for picture in pictures])
    normal: Tensor = normalize(batch, list(clip.tower_spec.mean), list(clip.tower_spec.std))
    return normal.to(clip.model.logit_scale.device)


def _prompt_rows(prompts: PromptSet, words: Tensor, cosines: Tensor) -> Iterator[PromptRow]:
    """`words`: unit embeddings (1 + M, D), the source's first; `cosines`: of whole images to them (N, 1 + M)."""
    lengths = (words[1:] - words[0]).norm(dim=1).tolist()
    ways = directions(words[0], words[1:])
    between = (ways @ ways.T).tolist()
    for place, prompt in enumerate(prompts.targets):
        nearer = _percent(cosines[:, 0] > cosines[:, place + 1])
        yield PromptRow(prompt, lengths[place], between[place], nearer)


def _class_rows(
    names: Sequence[str], groups: Sequence[list[str]], embeddings: Tensor, crops: Tensor, labels: Sequence[int]
) -> Iterator[ClassRow]:
    """`embeddings`: unit, of the classes (K, D); `crops`: of boxes (N, D), whose classes are `labels`."""
    between = (embeddings @ embeddings.T).tolist()
    said = (crops @ embeddings.T).argmax(1).tolist()
    for place, name in enumerate(names):
        answers = Counter(answer for answer, label in zip(said, labels, strict=True) if label == place)
        count, right = answers.total(), answers.pop(place, 0)
        taken_for = names[answers.most_common(1)[0][0]] if answers else None
        yield ClassRow(name, groups[place], between[place], count, 100 * right / count if count else None, taken_for)


def _percent(which: Tensor) -> float:
    return 100 * float(which.float().mean())
