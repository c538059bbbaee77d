"""The page in a browser: upload, look, compare, cut, download, and what it must not do."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipgap.detectors import MINI_WORLD
from clipgap.engine.predict.job import Predictor
from clipgap.web.contender import Contender
from clipgap.web.session import draw_streets
from tests.command_line import run

CHROMIUM = shutil.which("chromium")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["a", "b", "c"], "the page shows 2 detectors side by side, not 3"),
        ([MINI_WORLD, MINI_WORLD], "is named twice"),
        (["--port", "70000"], "less than or equal to 65535"),
    ],
    ids=["nowhere", "three", "twice", "port"],
)
def test_mistakes_are_one_line(capfd: pytest.CaptureFixture[str], words: list[object], said: str) -> None:
    code, out, err = run(capfd, "web", *words)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert said in err


def test_what_is_not_installed_is_said(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run(capfd, "web")
    assert (code, "the page needs Gradio, which is not installed here: pip install gradio" in err) == (2, True)


class Counted(Contender):
    """A contender that counts what its detector looks at."""

    def __init__(self, name: str) -> None:
        super().__init__(MINI_WORLD)
        self.name, self.seen = name, 0

    def looking_for(self, words: str) -> Predictor:
        detector, own = super().looking_for(words), self

        class Counting:
            classes = detector.classes

            def predict(self, picture: Any, /) -> Any:
                own.seen += 1
                return detector.predict(picture)

        return Counting()


@pytest.fixture(scope="module")
def served() -> tuple[str, list[Counted]]:
    pytest.importorskip("gradio")
    from clipgap.web.page import serve

    contenders = [Counted("left"), Counted("right")]
    return serve(contenders, 0)[1], contenders


@pytest.fixture
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(browser: Any, address: str, width: int = 1440) -> tuple[Any, list[str]]:
    page = browser.new_context(viewport={"width": width, "height": 1000}, accept_downloads=True).new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda one: (
            None if "127.0.0.1" in one.url or one.url.startswith(("data:", "blob:")) else faults.append(one.url)
        ),
    )
    page.goto(address)
    page.wait_for_selector("#files")
    return page, faults


def captions(page: Any, count: int) -> list[str]:
    page.wait_for_function(f"document.querySelectorAll('#gallery .caption-label').length == {count}", timeout=60_000)
    return [one.inner_text() for one in page.locator("#gallery .caption-label").all()]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    files = []
    for number, (_, picture) in enumerate(draw_streets(5)):
        files.append(tmp_path / f"street{number}.png")
        picture.save(files[-1])
    return files


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_visit(served: Any, browser: Any, pictures: list[Path], tmp_path: Path) -> None:
    address, contenders = served
    page, faults = opened(browser, address)
    before = [one.seen for one in contenders]
    page.locator("#files input[type=file]").set_input_files([str(file) for file in pictures])
    told = captions(page, 4)
    assert [line.partition(":")[0] for line in told] == ["street0.png", "street0.png", "street1.png", "street1.png"]
    assert "left" in told[0]
    assert "right" in told[1]
    assert [one.seen for one in contenders] == [count + 2 for count in before]

    page.locator("#least input[type=number]").fill("0.05")
    page.locator("#least input[type=number]").press("Enter")
    page.locator("#said").click()
    page.wait_for_function(f"document.querySelector('#gallery .caption-label').innerText != {json.dumps(told[0])}")
    assert [one.seen for one in contenders] == [count + 2 for count in before]  # a cut needs no look

    page.get_by_label("fog").check()
    page.wait_for_timeout(500)
    captions(page, 4)
    for _ in range(100):
        if contenders[1].seen == before[1] + 4:
            break
        page.wait_for_timeout(100)
    assert [one.seen for one in contenders] == [count + 4 for count in before]

    page.wait_for_timeout(500)
    with page.expect_download(timeout=30_000) as download:
        page.locator("#save").click()
    download.value.save_as(tmp_path / "got.zip")
    with zipfile.ZipFile(tmp_path / "got.zip") as archive:
        images = json.loads(archive.read("images.json"))["images"]
    assert [(one["picture"], one["detector"]) for one in images] == [
        (file.name, name) for file in pictures for name in ("left", "right")
    ]
    assert not faults


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_bad_file_is_said(served: Any, browser: Any, tmp_path: Path) -> None:
    page, faults = opened(browser, served[0])
    (tmp_path / "<b>bad.jpg").write_bytes(b"no image")
    page.locator("#files input[type=file]").set_input_files(str(tmp_path / "<b>bad.jpg"))
    page.wait_for_function("document.querySelector('#said textarea').value.includes('not an image')", timeout=30_000)
    assert "/tmp" not in page.locator("#said textarea").input_value()
    assert not faults


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_visitors_do_not_mix(served: Any, browser: Any, pictures: list[Path]) -> None:
    one, _ = opened(browser, served[0])
    other, _ = opened(browser, served[0])
    one.locator("#files input[type=file]").set_input_files(str(pictures[0]))
    other.locator("#files input[type=file]").set_input_files(str(pictures[1]))
    assert all(line.startswith("street0.png") for line in captions(one, 2))
    assert all(line.startswith("street1.png") for line in captions(other, 2))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", [390, 1440])
def test_it_is_as_wide_as_the_window(served: Any, browser: Any, width: int) -> None:
    page, faults = opened(browser, served[0], width)
    page.locator("#street").click()
    captions(page, 4)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not faults


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nothing_of_the_disk_can_be_read(served: Any, browser: Any) -> None:
    page, _ = opened(browser, served[0])
    here = Path(__file__).parents[2]
    for path in ("/etc/passwd", here / "README.md", MINI_WORLD / "config.yaml", sys.executable, "/tmp/../etc/hostname"):
        for way in ("gradio_api/file=", "file="):
            assert page.request.get(f"{served[0]}{way}{path}").status in (403, 404), path
