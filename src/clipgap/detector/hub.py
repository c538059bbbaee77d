"""Detector folders on the Hugging Face Hub: `config.yaml`, `model.safetensors` and a model card."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from clipgap.detector.spec import CONFIG_FILE, WEIGHTS_FILE
from clipgap.errors import ClipgapError, WeightsError

if TYPE_CHECKING:
    from clipgap.detector.stored import Stored

CARD = "README.md"


def fetched(name: str, revision: str | None) -> Path:
    """The Detector folder of a repository, from the Hub or its cache; no file but the two of a Detector is fetched.

    Raises:
        WeightsError: there is none, or it cannot be reached.
    """
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(name, revision=revision, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE])
    except Exception as error:  # noqa: BLE001 (a name that is none, no network, no such repository, no right to it)
        raise WeightsError(f"{name}: no folder, and not to be had from the Hub ({_short(error)})") from None
    return Path(found)


def push(detector: Stored, name: str, card: str, private: bool, token: str | None) -> str:
    """Make a repository of a detector with its card, or a new version of it; the address.

    Raises:
        ClipgapError: the Hub refused it, or cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        detector.save(folder)
        (Path(folder) / CARD).write_text(card, encoding="utf-8")
        try:
            repository = api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=repository.repo_id, folder_path=folder, commit_message="A clipgap detector")
        except Exception as error:  # noqa: BLE001 (as above)
            raise ClipgapError(f"{name}: not taken by the Hub ({_short(error)})") from None
    return str(repository)


def plain_card(detector: Stored) -> str:
    """What a detector knows of itself, for who has no run to make a card of (`clipgap.report.card.model_card`)."""
    return (
        "---\nlibrary_name: clipgap\npipeline_tag: object-detection\n---\n\n# A clipgap detector\n\n"
        f"{detector.spec.description}\n\nClasses: {', '.join(detector.spec.classes)}\n"
    )


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
