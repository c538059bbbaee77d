from __future__ import annotations

from pathlib import Path

import pytest

from clipgap.data.yolo_lines import LineError, LineRules, parse_line, read_label_file

RULES = LineRules({0: "car", 1: "person"})
SIZE = (40, 20)


@pytest.mark.parametrize(
    ("line", "box", "outline"),
    [
        ("0 0.5 0.5 1 1", (0, 0, 40, 20), False),
        ("0 .25 .5 .5 0", (0, 10, 20, 10), False),
        ("0 1.25 .5 .5 1", (40, 0, 60, 20), False),  # out of the image, but no pixels: clipped later
        ("0 .25 .25 .75 .25 .75 .5", (10, 5, 30, 10), True),  # a triangle
        ("0 .25 .25 .75 .25 .75 .5 .25 .5", (10, 5, 30, 10), True),  # an oriented box
        ("0 .5 .25 .75 .5 .5 .75 .25 .5 .5 .25", (10, 5, 30, 15), True),  # a closed outline
        ("0 0 0 1 0 1 1 0 1 0 0", (0, 0, 40, 20), True),  # zeros and ones as in marks of key points, but no pose
    ],
)
def test_lines_give_boxes(line: str, box: tuple[float, ...], outline: bool) -> None:
    assert parse_line(line, RULES, SIZE) == ("car", box, outline)


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        (6, "1 .5 .5 1 1 .1 .1 2 .2 .2 1"),
        (6, "1 .5 .5 1 1 0 0 0 0 0 0"),
        (4, "1 .5 .5 1 1 .1 .1 .2 .2"),  # would be an oriented box without kpt_shape
        (51, "1 .5 .5 1 1" + " .5 .5 2" * 17),
        (51, "1 .5 .5 1 1"),
    ],
)
def test_poses_give_their_box(shape: int, line: str) -> None:
    assert parse_line(line, LineRules({1: "person"}, shape), SIZE) == ("person", (0, 0, 40, 20), False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 1", "'0 0.5 0.5 1': expected five numbers"),
        ("0", "expected five numbers"),
        ("car 0.5 0.5 1 1", "expected five numbers"),
        ("0,0.5,0.5,1,1", "with spaces between"),
        ("0 0,5 0,5 1 1", "with spaces between"),
        ("0 nan 0.5 1 1", "finite"),
        ("inf 0.5 0.5 1 1", "finite"),
        ("0 .1 .1 inf -inf .2 .2", "finite"),
        ("0 0.5 0.5 1 1 0.9", "looks like a prediction with its confidence"),
        ("0 .1 .1 .2 .1 .2 .2 .9", "8 numbers: neither a box"),
        ("0 .5 .5 1 1" + " .5 .5 2" * 17, "56 numbers: neither a box.*key points need `kpt_shape`"),
        ("0 .5 .5 1 1" + " .5 .5 2" * 2, "looks like a box with key points"),
        ("0 .5 .5 1 1" + " .5 .5 1 0 0 0", "looks like a box with key points"),
        ("2 0.5 0.5 1 1", "class 2: its class is not one of the 2 in `names`"),
        ("-1 0.5 0.5 1 1", "class -1: its class is not one"),
        ("1e300 0.5 0.5 1 1", "class 1e.300: its class is not one"),
        ("1.5 0.5 0.5 1 1", "class 1.5: its class is no whole number"),
        ("0 20 10 40 20", "'0 20 10 40 20': expected numbers relative to the image"),
        ("0 1 1 20 1 20 10 1 10", "relative to the image"),
        ("0 .5 .5 -.5 .5", "width -0.5, height 0.5: the width or height of its box is negative"),
        ("0 .5 .5 .5 -.5", "negative"),
    ],
)
def test_lines_that_are_wrong(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "a.txt"
    file.write_text(f"0 .5 .5 1 1\n\n{line}\n1 .5 .5 1 1\n")
    labels = read_label_file(file, RULES, SIZE)
    assert [a.where for a in labels.annotations] == ["line 1", "line 4"]
    assert [(fault.file, fault.where, fault.severity) for fault in labels.faults] == [(file, "line 3", "error")]
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(str(labels.faults[0]))
    assert len(str(labels.faults[0])) < 400


def test_a_fault_of_a_kind_has_one_message_and_tells_little_of_a_long_line() -> None:
    said = set()
    for line in ("0 .5 .5 1 1 .9", "1 .25 .5 1 1 .33", "0 .1 .1 .1 .1 ." + "3" * 100_000):
        with pytest.raises(LineError) as caught:
            parse_line(line, RULES, SIZE)
        said.add(str(caught.value))
        assert len(caught.value.detail) < 100
    assert len(said) == 1


def test_outlines_can_be_refused() -> None:
    with pytest.raises(LineError, match="set yolo_segments: box"):
        parse_line("0 .1 .1 .2 .1 .2 .2", LineRules({0: "car"}, outlines=False), SIZE)
