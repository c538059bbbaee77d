"""Detectors on the Hub, with a Hub that is a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from clipgap.detector import Detector
from clipgap.detectors import MINI_WORLD
from clipgap.errors import ClipgapError, WeightsError
from clipgap.web.session import draw_streets


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the repositories are."""

    class Api:
        def __init__(self, token: str | None) -> None:
            self.token = token

        def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> Any:
            if name.startswith("nobody/"):
                raise PermissionError("403\nForbidden")
            (tmp_path / name).mkdir(parents=True, exist_ok=exist_ok)
            (tmp_path / name / "private").write_text(str(private))

            class Url(str):
                repo_id = name

            return Url(f"https://hub/{name}")

        def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
            shutil.copytree(folder_path, tmp_path / repo_id, dirs_exist_ok=True)

    def snapshot(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        if not (tmp_path / name).is_dir() or revision == "gone":
            raise OSError(f"{name}: not found\nat {revision}")
        assert "README.md" not in allow_patterns
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return tmp_path


def test_there_and_back(hub: Path) -> None:
    detector = Detector.load(MINI_WORLD)
    assert detector.push_to_hub("me/streets") == "https://hub/me/streets"
    assert (hub / "me/streets/private").read_text() == "True"
    assert "bus, bike, car" in (hub / "me/streets/README.md").read_text()
    again = Detector.from_pretrained("me/streets")
    picture = draw_streets(1)[0][1]
    assert again.predict(picture).xyxy.tolist() == detector.predict(picture).xyxy.tolist()
    detector.push_to_hub("me/streets", card="# mine", private=False)
    assert (hub / "me/streets/README.md").read_text() == "# mine"


def test_a_folder_is_a_folder(hub: Path, tmp_path: Path) -> None:
    Detector.load(MINI_WORLD).save(tmp_path / "local")
    assert Detector.from_pretrained(tmp_path / "local").classes == Detector.load(MINI_WORLD).classes
    assert Detector.from_pretrained(str(MINI_WORLD)).spec.weights is not None


def test_what_goes_wrong_is_one_line(hub: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"^me/nothing: no folder, and not to be had from the Hub \(me/nothing: not found at None\)$"
    ):
        Detector.from_pretrained("me/nothing")
    detector = Detector.load(MINI_WORLD)
    detector.push_to_hub("me/streets")
    with pytest.raises(WeightsError, match="not found at gone"):
        Detector.from_pretrained("me/streets", revision="gone")
    with pytest.raises(ClipgapError, match=r"nobody/x: not taken by the Hub \(403 Forbidden\)"):
        detector.push_to_hub("nobody/x")
