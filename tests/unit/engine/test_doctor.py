"""The doctor knows the optional parts of the package, and what each gives; `dev` and `docs` give its users nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from clipgap.engine import doctor


def test_it_knows_every_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name not in ("dev", "docs")}
    known = {name: list(packages) for name, (packages, _) in doctor.EXTRAS.items()}
    assert known == {name: [re.split(r"[>=<\[]", need)[0] for need in needs] for name, needs in extras.items()}


@pytest.mark.parametrize(("version", "state", "how"), [("1.0", "ok", False), (None, "missing", True)])
def test_what_is_missing_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, version: str | None, state: str, how: bool
) -> None:
    monkeypatch.setattr(doctor, "version_of", lambda package: version)
    for finding in doctor._extras():
        assert finding.state == state
        assert ("pip install" in finding.detail) == how
