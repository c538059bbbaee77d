"""Step one to the objective that the plain loop ends with, at the miniature world's sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.plain_fit import PlainFit
from clipgap.clip import load_clip
from clipgap.config import load_config
from clipgap.data import load_domains
from clipgap.engine.fit import training_set
from clipgap.engine.fitter import Fitter, crop_batches
from clipgap.prompts import PromptSet
from clipgap.world import write_world

PAPER = ("fit.steps=1000",)
FEWER = ("fit.offsets=channel", "fit.lr=0.1", "fit.steps=20")
"""Chosen on a development world, by the held-out objective on clear day alone."""
HELD_OUT = 8
"""Steps' worth of crops that the objective is judged on, none of them fitted."""


@cache
def world() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="clipgap_bench_")
    write_world(Path(folder.name) / "world", 1002, 200, 1, 1, lambda pictures: None)
    return folder


def fit_to_objective(plain: bool, steps: int | None = None) -> Callable[[], tuple[float, float]]:
    """Step one, or its first `steps`; gives the pooled objective on crops held out, of no offsets and at the end."""
    settings = [f"data.root={world().name}/world", "run.workers=0", *(PAPER if plain else FEWER)]
    config = load_config("mini_world", settings)
    clip, prompts = load_clip(config.clip), PromptSet.from_config(config.data.prompts)
    dataset = training_set(load_domains(config.data).source)
    end = steps or config.fit.steps
    held_out = torch.cat(list(crop_batches(dataset, config, clip, 100_000, 100_000 + HELD_OUT)))
    judge = Fitter(load_clip(config.clip), prompts, "frozen", config.fit, torch.device("cpu"))
    seen = judge.embed(held_out)

    def objective(offsets: list[Tensor]) -> float:
        judge.offsets = [torch.nn.Parameter(offset) for offset in offsets]
        return judge.pooled_objective(seen)

    def work() -> tuple[float, float]:
        fitter = (
            PlainFit(clip, prompts, config.fit.lr)
            if plain
            else Fitter(clip, prompts, "frozen", config.fit, torch.device("cpu"))
        )
        before = objective([torch.zeros_like(offset) for offset in fitter.offsets])
        for crops in crop_batches(dataset, config, clip, 0, end):
            fitter.step(crops)
        return before, objective([offset.detach() for offset in fitter.offsets])

    return work
