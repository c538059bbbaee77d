"""Every row happens as the pages say, and they have every row: `python -m tests.robustness.write` writes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clipgap.cli.main import main
from tests.robustness.row import CommandRow, DataRow
from tests.robustness.write import COMMANDS, DATA, pages

ROWS = [row for rows in (DATA | COMMANDS).values() for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_row(row: DataRow | CommandRow, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = row.command(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(command)
    out, err = capfd.readouterr()
    said = (out + err).replace(f"{tmp_path}/", "")
    assert "Traceback" not in said
    assert ended.value.code == (row.code if row.said else 0), said
    assert row.said in said
    if row.said:
        (line,) = [line for line in said.splitlines() if row.said in line]
        assert len(line) < 700
    if isinstance(row, DataRow):
        if row.boxes is not None:
            counts = re.findall(r"^│ day +│.*$", said, flags=re.MULTILINE)
            assert sum(int(line.split("│")[6]) for line in counts) == row.boxes, said
        if not row.said:
            assert "0 errors" in said


def test_the_pages_have_every_row() -> None:
    assert {path: path.read_text(encoding="utf-8") for path in pages()} == pages()
