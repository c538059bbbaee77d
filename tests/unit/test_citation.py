"""CITATION.cff: what somebody cites is what the package says of itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import clipgap

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return content


def test_it_is_the_package_that_is_cited(citation: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for key in ("version", "license", "keywords"):
        assert citation[key] == project[key]
    assert citation["title"] == project["name"]
    assert citation["version"] == clipgap.__version__


def test_all_have_authors(citation: dict[str, Any]) -> None:
    assert citation["cff-version"] == "1.2.0"
    for work in (citation, *citation["references"]):
        assert all({"name", "family-names"} & set(author) for author in work["authors"]), work["title"]
        assert work["authors"], work["title"]


def test_the_paper_is_among_what_it_builds_upon(citation: dict[str, Any]) -> None:
    (paper, *_) = citation["references"]
    assert paper["title"].startswith("CLIP the Gap")
    assert {"type": "other", "value": "arXiv:2301.05499"} in paper["identifiers"]


def test_it_is_released_when_the_changelog_says_so(citation: dict[str, Any]) -> None:
    unreleased = f"## {citation['version']} (unreleased)" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ("date-released" in citation) is not unreleased
