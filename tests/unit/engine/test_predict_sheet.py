"""A sheet of pictures: everything in its place, marks scaled with their pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from clipgap.engine.predict.drawing import Mark
from clipgap.engine.predict.sheet import ACROSS, GAP, LETTERS, WIDTH, Panel, sheet

SIDE = (WIDTH - GAP * (ACROSS + 1)) // ACROSS


def panel(grey: int, *marks: Mark) -> Panel:
    return Panel("a caption", Image.new("RGB", (320, 192), (grey, grey, grey)), marks)


def test_columns_stand_in_rows_of_three_with_the_note_behind_them() -> None:
    whole = sheet([[panel(10 * k), panel(10 * k + 5)] for k in range(1, 6)], ["a note", "of two lines"])
    high = round(192 * SIDE / 320)
    head = LETTERS + GAP
    assert whole.size == (WIDTH, 2 * (2 * (head + high)) + 3 * GAP)
    pixels = np.asarray(whole)
    for k in range(5):
        x = GAP + (k % 3) * (SIDE + GAP) + SIDE // 2
        y = GAP + (k // 3) * (2 * (head + high) + GAP) + head + high // 2
        assert pixels[y, x, 0] == 10 * (k + 1)
        assert pixels[y + head + high, x, 0] == 10 * (k + 1) + 5
    note = pixels[GAP + 2 * (head + high) + GAP :, GAP + 2 * (SIDE + GAP) :]
    assert (note < 128).any()


def test_a_mark_is_where_it_is_in_the_picture() -> None:
    whole = np.asarray(sheet([[panel(0, Mark((160, 96, 240, 144), "", (255, 0, 0)))]], ["a note"])).astype(int)
    red = (whole[..., 0] > 200) & (whole[..., 1] < 50)
    rows, columns = np.nonzero(red)
    factor, top = SIDE / 320, GAP + LETTERS + GAP
    found = [columns.min() - GAP, rows.min() - top, columns.max() - GAP, rows.max() - top]
    assert np.allclose(found, np.array([160, 96, 240, 144]) * factor, atol=2)
