"""The site of docs/, as `make docs` builds it: without a warning, with every link, and nothing of the network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}
"""What a browser loads by itself."""


class Links(HTMLParser):
    """Collects what a page points to, and what in it can be pointed to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[tuple[str, str, str]] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.append((tag, name, value))
            if name == "id" and value:
                self.anchors.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("zensical", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(package, reason="needs the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    for name in ("src", "tests"):
        (folder / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "No issues found" in built.stderr
    shutil.copytree(ROOT / "examples", folder / "site/examples")
    return folder / "site"


@cache
def links(page: Path) -> Links:
    parser = Links()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_every_page_is_there(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix("") for page in (ROOT / "docs").rglob("*.md")}
    assert pages <= {page.relative_to(site).with_suffix("") for page in site.rglob("*.html")}


def test_links_lead_somewhere_and_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("[!4]*.html"):  # 404.html is a server's, wherever the site lies
        for tag, name, value in links(page).targets:
            if re.match(r"[a-z]+:|//", value):
                assert (tag, name) not in FETCHED or value.startswith("data:"), f"{page.name}: {value}"
                continue
            target, anchor = urldefrag(value)
            file = (page.parent / unquote(target)).resolve() if target else page
            file = file / "index.html" if file.is_dir() else file
            assert file.is_file(), f"{page.name}: {value}"
            assert file.is_relative_to(site), f"{page.name}: {value}"
            if anchor and file.suffix == ".html" and not anchor.startswith("__"):  # the theme's own
                assert unquote(anchor) in links(file).anchors, f"{page.name}: {value}"


def test_mathematics_is_set_and_bars_are_bars(site: Path) -> None:
    method = (site / "method.html").read_text(encoding="utf-8")
    assert method.count("<math") > 30
    for left in ("arithmatex", "$$", "\\frac", "\\mathrm"):
        assert left not in method
    assert "auto|cpu|cuda|mps" in (site / "cli_job.html").read_text(encoding="utf-8")


def test_docstrings_are_in_it(site: Path) -> None:
    page = (site / "api/clipgap.html").read_text(encoding="utf-8")
    for name in ("clipgap.train", "clipgap.Detector", "clipgap.Detector.predict", "clipgap.load_config"):
        assert f'id="{name}"' in page
    assert "Raises" in page
