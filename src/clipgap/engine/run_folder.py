"""A run's folder: a Detector folder (`model.safetensors`, `config.yaml`) and the record of how it came to be.

run.yaml          the resolved run config; with it the run is begun
environment.json  versions, machine, command, hashes of what was read, seconds; under `resumed` the same of every resume
metrics.jsonl     a line every `train.log_every` steps, and one for every validation
checkpoint.pt, checkpoint.pt.before   all that `--resume` needs, newest and the one before
model.safetensors, config.yaml   the best weights on the source's validation split
bad_batch.json    where a loss or gradient was not finite: the step and its images
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clipgap.config import RunConfig, differing, to_yaml, validate
from clipgap.detector import Detector
from clipgap.detector.spec import WEIGHTS_FILE, read_spec, write_spec
from clipgap.engine.checkpoints import Checkpoints
from clipgap.engine.names import BAD_BATCHES, CHECKPOINT, CONFIG, METRICS, RECORD
from clipgap.engine.progress import log
from clipgap.engine.runtime import environment_record
from clipgap.errors import ConfigError, WeightsError
from clipgap.files import add_line, hash_of_file, sweep, to_disk, write_text, writes_to
from clipgap.parse import UnreadableError, parse_json, parse_yaml, sealed
from clipgap.weights import require_finite

CADENCE = {"train.log_every", "train.checkpoint_every", "train.checkpoint_minutes"}
"""How often something is written down."""
RESUMABLE = {"run.out", "run.device", "run.workers", "run.loggers", "train.steps", "train.skip_bad_steps", *CADENCE}
"""Settings that may differ when a run goes on: they change neither what is learnt at a step nor how it is judged."""
READ = {
    "training_hash": "there are other training images or boxes",
    "offsets_hash": "augment.file holds other offsets",
    "processes": "there is another number of processes",
}
"""What the record says of what every step reads, and what to say where it differs."""


class RunFolder:
    """The files of one training run.

    Args:
        path: the folder.
        main: whether this is the process that writes; of several, the others read alone.
    """

    def __init__(self, path: str | Path, main: bool = True) -> None:
        self.path, self.main = Path(path), main
        self.checkpoints = Checkpoints(self.path / CHECKPOINT, "clipgap train", main)
        self.metrics = self.path / METRICS
        self.config_file = self.path / CONFIG
        self._record_file, self._bad_batches = self.path / RECORD, self.path / BAD_BATCHES
        self.told: list[Callable[[dict[str, Any]], None]] = []
        """Who else is told every line of the metrics."""

    def begin(self, config: RunConfig, record: dict[str, Any]) -> None:
        """Write down what a new run is, over what one that saved nothing has left (`require_new_run`)."""
        sweep(self.path)
        for file in (self.metrics, self._record_file):
            file.unlink(missing_ok=True)
        write_text(self.config_file, sealed(to_yaml(config)))
        self._write_record(environment_record() | record)

    def resume(self, config: RunConfig, record: dict[str, Any]) -> dict[str, Any] | None:
        """The last checkpoint, after making sure that the run's settings and what it reads are the same; None before
        the first one.

        Raises:
            ConfigError: settings differ; every one of them is named. Or what is read does.
            WeightsError: there is no run, its checkpoints are damaged or not finite, or its best weights are.
        """
        if not self.config_file.is_file():
            raise WeightsError(f"{self.path}: no run to resume (run.yaml is not there); leave --resume out")
        lines = [
            f"--resume: {key} is {now!r}, but the run was begun with {then!r}"
            for key, then, now in differing(self.config(), config, RESUMABLE)
        ]
        if lines:
            raise ConfigError("\n".join(lines))
        if self.main:
            sweep(self.path)
        before = self._record_of_before(record)
        checkpoint = self.checkpoints.load()
        step = int(checkpoint["step"]) if checkpoint else 0
        if step > config.train.steps:
            raise ConfigError(f"--resume: the run has taken {step} steps; train.steps must not be less")
        if checkpoint:
            require_finite(checkpoint["detector"], self.checkpoints.file, "begin the run again with a lower train.lr")
            checkpoint |= self._best_that_is_there(checkpoint)
        self._forget_after(step)
        self._note_resume(before, record)
        return checkpoint

    def record(self) -> dict[str, Any]:
        """What is on record of how the run came to be; empty where that was lost."""
        try:
            record = parse_json(self._record_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def note_end(self, seconds: float) -> None:
        """Add to the record how long all sittings took."""
        record = self.record()
        if record:
            self._write_record(record | {"seconds": round(seconds, 1)})

    def require_best(self, expected: str | None, step: int | None) -> None:
        """Make sure that the best weights are there as they were saved.

        Raises:
            WeightsError: they are not.
        """
        file = self.path / WEIGHTS_FILE
        if expected and not (file.is_file() and hash_of_file(file) == expected):
            raise WeightsError(f"{file}: the weights of step {step} are lost: missing, damaged, or others are there")

    def _best_that_is_there(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """What to change in a checkpoint for the best weights that are there.

        An interruption may have left newer ones than it knows, which the steps after it save again; or their hash in
        `config.yaml` before the weights, which is put right.

        Raises:
            WeightsError: there are none that are whole.
        """
        expected, file = checkpoint["best_hash"], self.path / WEIGHTS_FILE
        if expected is None:
            return {}
        spec = read_spec(self.path, check=False)
        found = hash_of_file(file)
        if found == expected:
            if self.main and spec.weights != expected:
                write_spec(self.path, spec.model_copy(update={"weights": expected}))
            return {}
        if found != spec.weights:
            raise WeightsError(f"{file}: damaged: the weights of step {checkpoint['best_step']} are lost; begin again")
        return {"best": None, "best_step": None, "best_hash": None}

    def config(self) -> RunConfig:
        """The config the run was begun with."""
        try:
            tree = parse_yaml(self.config_file.read_text(encoding="utf-8"))
        except UnreadableError as error:
            said = f"{self.config_file}{error.place}: {error.problem}; put it back as it was, or begin another run"
            raise WeightsError(said) from None
        except (OSError, UnicodeDecodeError):
            raise WeightsError(f"{self.path}: not a run folder: run.yaml is missing or damaged") from None
        if not isinstance(tree, dict):
            raise WeightsError(f"{self.config_file}: not the config of a run")
        return validate(RunConfig, tree, str(self.config_file))

    def log(self, line: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        if self.main:
            add_line(self.metrics, json.dumps(line))
            for tell in self.told:
                tell(line)

    def save_detector(self, detector: Detector) -> str | None:
        """Replace the run's detector; the SHA-256 of its weights, None where another process writes them."""
        if not self.main:
            return None
        detector.save(self.path)
        return str(detector.spec.weights)

    def save_checkpoint(self, content: dict[str, Any]) -> None:
        """Write the newest checkpoint, after the metrics of its steps are on the disk."""
        if self.metrics.is_file():
            with writes_to(self.metrics):  # some file systems tell only now that they are full
                to_disk(self.metrics)
        self.checkpoints.save(content)

    def note_bad_batch(self, content: dict[str, Any]) -> Path:
        """Add to what is known about steps whose loss or gradient was not finite."""
        write_text(self._bad_batches, json.dumps([*self._told_of_bad_batches(), content], indent=1))
        return self._bad_batches

    def _told_of_bad_batches(self) -> list[dict[str, Any]]:
        if not self._bad_batches.is_file():
            return []
        told: list[dict[str, Any]] = parse_json(self._bad_batches.read_text(encoding="utf-8"))
        return told

    def _record_of_before(self, record: dict[str, Any]) -> dict[str, Any]:
        """What is on record of the run, after comparing what it reads now; empty where that was lost.

        Raises:
            ConfigError: the training images or the offsets have changed since the run was begun.
        """
        before = self.record()
        for key, said in READ.items():
            if before.get(key, record[key]) != record[key]:
                raise ConfigError(f"--resume: {said} than the run was begun with; use those, or begin another run")
        return before

    def _note_resume(self, before: dict[str, Any], record: dict[str, Any]) -> None:
        """Add this sitting to the record; of a record that was lost it is the first."""
        now = environment_record() | record
        if self.main and before.get("threads", now["threads"]) != now["threads"]:
            told = f"{now['threads']} threads, but the run was begun with {before['threads']}"
            log.print(f"warning: {told}: sums may be rounded otherwise", style="yellow")
        self._write_record({**before, "resumed": [*before.get("resumed", []), now]} if before else now)

    def _write_record(self, record: dict[str, Any]) -> None:
        if self.main:
            write_text(self._record_file, json.dumps(record, indent=1))

    def _forget_after(self, step: int) -> None:
        """Drop what is told of steps that will be taken again."""
        if not self.main:
            return
        if self.metrics.is_file():
            lines = self.metrics.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _step_of(line) <= step]
            write_text(self.metrics, "".join(f"{line}\n" for line in kept))
        if self._bad_batches.is_file():
            told = [one for one in self._told_of_bad_batches() if one["step"] <= step]
            write_text(self._bad_batches, json.dumps(told, indent=1)) if told else self._bad_batches.unlink()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return float("inf")  # the line that an interruption cut short
