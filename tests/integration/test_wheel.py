"""What is in the wheel: the package, whole, and nothing else. That it works is `make test-wheel`."""

from __future__ import annotations

from zipfile import ZipFile

import pytest

from tests.wheel import ROOT, build

pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Of all files in the wheel."""
    with ZipFile(build(tmp_path_factory.mktemp("wheel"))) as wheel:
        return set(wheel.namelist())


def test_the_whole_package_is_in_it(names: set[str]) -> None:
    files = (path for path in (ROOT / "src/clipgap").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    package = {name for name in names if name.startswith("clipgap/")}
    assert {path.relative_to(ROOT / "src").as_posix() for path in files} == package


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "presets/mini_world.yaml",
        "presets/recipes/robust.yaml",
        "clip/tiny_clip/tiny_clip.safetensors",
        "clip/tiny_convnext/tiny_convnext.safetensors",
        "detectors/mini_world/model.safetensors",
        "detectors/mini_world/config.yaml",
        "report/report.html",
        "report/style.css",
    ],
)
def test_what_is_no_python_is_in_it_too(names: set[str], name: str) -> None:
    assert f"clipgap/{name}" in names


def test_nothing_else_is_installed(names: set[str]) -> None:
    others = {name.partition("/") for name in names if not name.startswith("clipgap/")}
    assert all(folder.startswith("clipgap-") and folder.endswith(".dist-info") for folder, _, _ in others)
    assert {"entry_points.txt", "licenses/LICENSE"} <= {name for _, _, name in others}
