"""How the tiny CLIPs are pre-trained, in numbers, and what the folder holds."""

from __future__ import annotations

from dataclasses import dataclass

from clipgap.clip import shipped_file
from clipgap.world import CONDITIONS, Condition

LOG, CARD, CHECKPOINT = "log.jsonl", "card.json", "checkpoint.pt"
TOWERS = {"resnet": "tiny", "convnext": "tiny-convnext", "vit": "tiny-vit"}
"""Image towers that are pre-trained, and the `clip.name` of each."""


@dataclass(frozen=True)
class Pretraining:
    """The recipe of the tiny CLIPs."""

    seed: int = 0
    scenes: int = 18_000
    steps: int = 2000
    batch_size: int = 192
    lr: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 60
    word_steps: int = 300
    """Steps in which the text tower learns from captions alone which of them say the same, before it sees a picture."""
    of_thing: float = 0.85
    """Share of the crops that are made around a thing: weather is learnt sooner than classes."""
    skipped: tuple[Condition, ...] = ()
    """Conditions that are left out: the control tower is trained without the four target conditions."""
    held_out: int = 1000
    """Scenes of each style that the zero-shot accuracy is measured on."""
    tower: str = "resnet"
    """One of `TOWERS`; all but the first learn to meet its text tower, which stays as it is (LiT, Zhai et al. 2022,
    the other way round)."""

    @property
    def name(self) -> str:
        """The `clip.name` of what is made."""
        return TOWERS[self.tower]

    @property
    def weights(self) -> str:
        """The file of weights in the folder."""
        return shipped_file(self.name).name

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions that are drawn, in turn: most photographs are taken by day, and in good weather."""
        usual = (Condition("clear", "day"),) * 4 + (Condition("cloudy", "day"),) * 2
        return tuple(condition for condition in CONDITIONS + usual if condition not in self.skipped)
