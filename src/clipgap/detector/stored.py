"""Detector folders: `model.safetensors` and `config.yaml`, on this machine or on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from clipgap.detector import hub
from clipgap.detector.spec import WEIGHTS_FILE, DetectorSpec, read_spec, write_spec
from clipgap.errors import WeightsError
from clipgap.files import hash_of_file, write_then_rename
from clipgap.weights import bytes_of, require_finite


class Stored(GeneralizedRCNN):  # type: ignore[misc]
    """How a detector is read and written."""

    spec: DetectorSpec
    folded: bool

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read a Detector folder: `model.safetensors` and `config.yaml`. Needs no CLIP and no text tower.

        Raises:
            WeightsError: a file is missing, or the weights are not this detector's or not finite.
            ConfigError: `config.yaml` is wrong, key by key.
        """
        folder = Path(folder)
        spec = read_spec(folder)
        detector = cls(spec, spec.tower.build())
        try:
            detector.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except Exception as error:  # noqa: BLE001 (safetensors and torch each raise several kinds)
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"{folder / WEIGHTS_FILE}: not the weights of this detector ({reason})") from None
        require_finite(detector.state_dict(), folder / WEIGHTS_FILE, "train again with a lower train.lr")
        detector.to(device)
        return detector

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, device: str | torch.device = "cpu"
    ) -> Self:
        """`load` a folder of this machine, or else a repository of the Hugging Face Hub.

        Raises:
            WeightsError: it is neither, or no detector.
        """
        return cls.load(name if Path(name).is_dir() else hub.fetched(str(name), revision), device)

    def push_to_hub(self, name: str, *, card: str | None = None, private: bool = True, token: str | None = None) -> str:
        """Put it on the Hugging Face Hub; the repository's address.

        Args:
            name: of the repository, `user/name`.
            card: its README: `clipgap.report.card.model_card(run)` makes one of a run.
            private: for nobody else's eyes, if the repository is new.
            token: of the Hub; by default the one that `hf auth login` has kept.

        Raises:
            ClipgapError: the Hub refuses it.
        """
        return hub.push(self, name, card or hub.plain_card(self), private, token)

    def save(self, folder: str | Path) -> None:
        """Write a Detector folder that `load` reads; each file is whole or not there."""
        if self.folded:
            raise RuntimeError("a detector made by for_inference cannot be saved; save the one it was made from")
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}

        def name_them(temporary: Path) -> None:
            self.spec = self.spec.model_copy(update={"weights": hash_of_file(temporary)})
            write_spec(Path(folder), self.spec)  # first: new weights never pass for old ones

        write_then_rename(
            Path(folder) / WEIGHTS_FILE, lambda path: save_file(state, path), name_them, needs=bytes_of(state)
        )
