"""What a command line may mean by its inputs, and every kind of input that is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clipgap.engine.predict.inputs import find_inputs, read_input, short_names
from clipgap.errors import DataError
from tests.datasets import draw


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.jpg", "a.png", "deep/er/c.JPG", "deep/d[1].png", "x/film.avi", "x/.hidden.jpg", "x/notes.txt"):
        draw(tmp_path / name) if not name.endswith(("avi", "txt")) else None
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "folder.jpg").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["b.jpg", "a.png", "./b.jpg"], ["b.jpg", "a.png"]),
        (["deep"], ["deep/d[1].png", "deep/er/c.JPG"]),
        (["x"], ["x/film.avi"]),
        (["*.png"], ["a.png"]),
        (["**/*.[jJ]*"], ["b.jpg", "deep/er/c.JPG"]),
        (["dee?"], ["deep/d[1].png", "deep/er/c.JPG"]),
        (["**"], ["a.png", "b.jpg", "deep/d[1].png", "deep/er/c.JPG", "x/film.avi"]),
        (["deep/d[1].png"], ["deep/d[1].png"]),
        (["x/notes.txt"], ["x/notes.txt"]),  # named: the reader will tell
    ],
)
def test_files_folders_globs(here: Path, inputs: list[str], expected: list[str]) -> None:
    assert [path.as_posix() for path in find_inputs(inputs)] == expected
    absolute = [f"{here}/{one}" for one in inputs]
    assert find_inputs(absolute) == [here / name for name in expected]


def test_a_list_holds_paths_relative_to_itself(here: Path) -> None:
    (here / "deep/list.txt").write_text("\ufeffer/c.JPG\n\n  *.png  \r\n../b.jpg\n" + f"{here}/a.png\n")
    expected = ["deep/er/c.JPG", "deep/d[1].png", "deep/../b.jpg", f"{here}/a.png"]
    assert [path.as_posix() for path in find_inputs(["@deep/list.txt"])] == expected


def test_what_is_below_the_results_is_no_input(here: Path) -> None:
    assert find_inputs(["."], without=here / "deep") == [Path("a.png"), Path("b.jpg"), Path("x/film.avi")]
    with pytest.raises(DataError, match="no images or videos to predict on"):
        find_inputs(["deep"], without=Path("deep"))


def test_pictures_that_another_prediction_drew_are_no_inputs_unless_they_are_named(here: Path) -> None:
    for name in ("predict.json", "detections.jsonl"):
        (here / "deep/er" / name).touch()
    assert [path.as_posix() for path in find_inputs(["deep"])] == ["deep/d[1].png"]
    assert [path.as_posix() for path in find_inputs(["dee?"])] == ["deep/d[1].png"]
    for named in ("deep/er", "deep/er/c.JPG", "deep/er/*.JPG"):
        assert [path.as_posix() for path in find_inputs([named])] == ["deep/er/c.JPG"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere.jpg", r"^nowhere\.jpg: no such file or folder$"),
        ("nothing", "no images in this folder"),
        ("", "an input without a name"),
        ("*.gif", r"^\*\.gif: nothing is called that"),
        ("x/*.txt", "1 matches, but no images or videos"),
        ("https://example.org/a.jpg", r"^https://example\.org/a\.jpg: predict reads files only; download it first"),
        ("rtsp://camera", "download it first"),
        ("pipe.jpg", "is no file but a pipe, a socket or a device"),
        ("/dev/zero", "is no file but a pipe"),
        ("@pipe.jpg", "@ takes a text file"),
        ("@nowhere.txt", r"nowhere\.txt: cannot be read"),
        ("@x", "@ takes a text file"),
        ("@empty.txt", "an empty list"),
        ("@list.txt", r"list\.txt, line 2: lost\.jpg: no such file"),
        ("@web.txt", r"web\.txt, line 1: https://example\.org/a\.jpg: predict reads files only"),
        ("@a.png", r"a\.png: not UTF-8 text"),
        ("n" * 300, "no such file or folder"),
    ],
)
def test_what_is_no_input_is_one_clear_line(here: Path, text: str, message: str) -> None:
    os.mkfifo(here / "pipe.jpg")
    (here / "empty.txt").write_text("\n")
    (here / "list.txt").write_text("a.png\nlost.jpg\n")
    (here / "web.txt").write_text("https://example.org/a.jpg\n")
    with pytest.raises(DataError, match=message) as told:
        find_inputs([text])
    assert "\n" not in str(told.value)


def test_a_pipe_in_a_folder_is_unreadable_and_not_waited_for(here: Path) -> None:
    os.mkfifo(here / "deep/pipe.jpg")
    assert Path("deep/pipe.jpg") in find_inputs(["deep"])
    told = read_input(here / "deep/pipe.jpg")
    assert isinstance(told, DataError)
    assert "is no file but a pipe" in str(told)


def test_every_drawing_has_a_name_of_its_own() -> None:
    files = [Path(name) for name in ("a.jpg", "x/A.png", "a.mp4", "a_2.jpg", "b.mov", "b.avi")]
    assert short_names(files) == ["a", "A_2", "a", "a_2_2", "b", "b_2"]


def test_mistakes_with_inputs_and_folders_are_found_without_torch() -> None:
    code = (
        "import sys, pathlib; from clipgap.engine.predict.folder import require_free; "
        "from clipgap.engine.predict.inputs import find_inputs; require_free(pathlib.Path('/tmp/new/one'), False); "
        "find_inputs([sys.executable]); print([name for name in ('torch', 'numpy', 'PIL') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
