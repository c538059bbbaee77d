"""What an interrupted fit goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipgap.config import RunConfig
from clipgap.engine.checkpoints import Checkpoints
from clipgap.engine.fitter import Fitter
from clipgap.engine.names import half_done, is_saved
from clipgap.errors import DataError

KIND = "clipgap fit"
"""What its checkpoints are of."""


class HalfDone:
    """The files beside `out` that let an interrupted fit go on.

    Args:
        out: where the offsets go; None: nothing is saved.
        config: the fit's.
        weights_hash: of CLIP.
        main: whether this is the process that writes; of several, the others read alone.
    """

    def __init__(self, out: Path | None, config: RunConfig, weights_hash: str, main: bool = True) -> None:
        self.checkpoints = Checkpoints(half_done(out), KIND, main) if out else None
        relevant = config.model_dump(mode="json", include={"data", "image", "fit", "batch_norm", "run"})
        relevant["run"] = {key: relevant["run"][key] for key in ("seed", "precision")}
        self.settings: dict[str, Any] = relevant | {"weights": weights_hash}
        self.objectives: list[float] = []
        """Of the pooled offsets on held-out crops, every `JUDGE_EVERY` steps."""

    def require_new(self) -> None:
        """Make sure that nothing is there.

        Raises:
            DataError: a fit was begun.
        """
        if self.checkpoints and is_saved(self.checkpoints.file):
            file = self.checkpoints.file
            raise DataError(f"{file}: a fit was begun; --resume goes on with it, or remove {file}*")

    def save(self, fitter: Fitter, step: int) -> None:
        """Write what is fitted after so many steps."""
        if self.checkpoints and self.checkpoints.main:
            content = {
                "settings": repr(self.settings),
                "step": step,
                "objectives": self.objectives,
                "parameters": [parameter.detach() for parameter in fitter.parameters],
                "optimizer": fitter.optimizer.state_dict(),
            }
            self.checkpoints.save(content)

    def restore(self, fitter: Fitter) -> int:
        """Put what is half done into a fitter; the number of steps that it has taken.

        Raises:
            DataError: there is nothing, or it was begun with other settings.
            WeightsError: what is there is damaged.
        """
        content = self.checkpoints.load() if self.checkpoints else None
        if content is None or self.checkpoints is None:
            place = f" ({self.checkpoints.file} is not there)" if self.checkpoints else ""
            raise DataError(f"--resume: nothing to resume{place}; leave --resume out")
        file = self.checkpoints.file
        if content["settings"] != repr(self.settings):
            raise DataError(f"--resume: {file} was begun with other settings; use those, or move {file}* away")
        for parameter, saved in zip(fitter.parameters, content["parameters"], strict=True):
            parameter.data.copy_(saved)
        fitter.optimizer.load_state_dict(content["optimizer"])
        self.objectives = content["objectives"]
        return int(content["step"])

    def remove(self) -> None:
        """Away with them: the offsets are there."""
        if self.checkpoints and self.checkpoints.main:
            self.checkpoints.remove()
