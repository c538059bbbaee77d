"""A run's folder: a Detector folder (`model.safetensors`, `config.yaml`) and the record of how it came to be.

run.yaml          the resolved run config
environment.json  versions, machine, command
metrics.jsonl     a line every `train.log_every` steps, and one for every validation
checkpoint.pt     all that `--resume` needs
model.safetensors, config.yaml   the best weights on the source's validation split
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from clipgap.config import RunConfig, to_yaml, validate
from clipgap.detector import Detector
from clipgap.engine.runtime import environment_record
from clipgap.errors import ConfigError, WeightsError
from clipgap.files import require_new, write_text, write_then_rename
from clipgap.parse import parse_yaml
from clipgap.weights import require_finite

RESUMABLE = {"run": {"out", "device", "workers"}, "train": {"steps", "log_every", "checkpoint_every"}}
"""Settings that may differ when a run goes on: they change neither what is learnt at a step nor how it is judged."""


class RunFolder:
    """The files of one training run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint.pt"
        self.metrics = self.path / "metrics.jsonl"
        self.config_file = self.path / "run.yaml"

    def require_new(self) -> None:
        """Make sure that nothing is written over.

        Raises:
            DataError: the folder holds something already.
        """
        require_new(self.path, "run.out (--resume goes on with a run)")

    def begin(self, config: RunConfig, record: dict[str, Any]) -> None:
        """Make the folder of a new run and write down what it is."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.config_file, to_yaml(config))
        write_text(self.path / "environment.json", json.dumps(environment_record() | record, indent=1))

    def resume(self, config: RunConfig) -> dict[str, Any] | None:
        """The last checkpoint, after making sure that the settings are the run's own; None before the first one.

        Raises:
            ConfigError: settings differ; every one of them is named.
            WeightsError: there is no run, or its checkpoint is damaged or not finite.
        """
        if not self.config_file.is_file():
            raise WeightsError(f"{self.path}: no run to resume (run.yaml is not there); leave --resume out")
        lines = [
            f"--resume: {key} is {now!r}, but the run was begun with {then!r}"
            for key, then, now in _differences(self.config(), config)
        ]
        if lines:
            raise ConfigError("\n".join(lines))
        if not self.checkpoint.is_file():
            self._forget_after(0)
            return None
        try:
            checkpoint: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            step, weights = int(checkpoint["step"]), checkpoint["detector"]
        except Exception as error:  # noqa: BLE001 (a damaged file makes the reader stumble in every way)
            raise WeightsError(f"{self.checkpoint}: damaged ({type(error).__name__}); begin the run again") from None
        require_finite(weights, self.checkpoint, "begin the run again with a lower train.lr")
        if step > config.train.steps:
            raise ConfigError(f"--resume: the run has taken {step} steps; train.steps must not be less")
        self._forget_after(step)
        return checkpoint

    def config(self) -> RunConfig:
        """The config the run was begun with."""
        try:
            tree = parse_yaml(self.config_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise WeightsError(f"{self.path}: not a run folder: run.yaml is missing or damaged") from None
        return validate(RunConfig, tree, str(self.config_file))

    def log(self, line: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save_checkpoint(self, content: dict[str, Any]) -> None:
        """Replace the checkpoint; an interruption leaves the old one whole."""
        write_then_rename(self.checkpoint, lambda path: torch.save(content, path))

    def save_detector(self, detector: Detector) -> None:
        """Replace the run's detector."""
        detector.save(self.path)

    def _forget_after(self, step: int) -> None:
        """Drop the metrics of steps that will be taken again."""
        if self.metrics.is_file():
            lines = self.metrics.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _step_of(line) <= step]
            write_text(self.metrics, "".join(f"{line}\n" for line in kept))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return float("inf")  # the line that an interruption cut short


def _differences(then: RunConfig, now: RunConfig) -> list[tuple[str, Any, Any]]:
    old, new = then.model_dump(mode="json"), now.model_dump(mode="json")
    found = []
    for section, value in old.items():
        if not isinstance(value, dict):
            found += [(section, value, new[section])] if value != new[section] else []
            continue
        for key, setting in value.items():
            if setting != new[section][key] and key not in RESUMABLE.get(section, set()):
                found.append((f"{section}.{key}", setting, new[section][key]))
    return found
