"""`clipgap report` as a user meets it: one file, nothing beside it, no word of a user's that is taken for markup."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from clipgap.detector import Detector
from clipgap.engine.train import train
from tests.command_line import run
from tests.runs import make_trained, run_config

EVIL = '<b onclick="x">&fog\'s'
VOID = {"meta", "link", "br"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_trained(tmp_path_factory.mktemp("report"))
    train(run_config(folder, f"run.out={folder / 'robust'}", "recipe=robust"), show=False)
    return folder


class Page(HTMLParser):
    """Tags that are closed as they were opened, and what they say."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_one_file_says_all(made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    results = tmp_path / "results"
    words = ["--corruptions", "snow,contrast", "--severity", "1,5", "--out", results, "--workers", 0]
    assert run(capfd, "evaluate", made / "run", *words)[0] == 0
    out = tmp_path / "r.html"
    more = ["--upper", made / "robust", "--corruptions", results, "--workers", 0]
    code, said, err = run(capfd, "report", made / "run", "--out", out, *more, "--json")
    assert (code, json.loads(said)) == (0, {"report": str(out)}), err
    text = out.read_text()
    page = Page(text)
    shown = " ".join(page.words)
    for part in (
        "What was won",
        "Step one: the words of A",
        "an image taken on a fog day",
        "Where errors come from",
        "Under corruption: A",
        "contrast",
        "named as the upper bound",
        "weights (SHA-256)",
        "duration",
        "D-ECE",
        "worst: F1",
    ):
        assert part in shown, part
    assert sum(tag == "image" for tag, _ in page.tags) == 9
    assert not any(tag in ("script", "iframe", "object") for tag, _ in page.tags)
    links = [value for _, attributes in page.tags for name in ("href", "src") if (value := attributes.get(name))]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "http://" not in text
    assert "https://" not in text
    again = tmp_path / "again.html"
    assert run(capfd, "report", made / "run", "--out", again, *more)[0] == 0
    assert again.read_bytes() == out.read_bytes()


def test_two_series(made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, said, err = run(capfd, "report", made / "run", made / "robust", "--out", tmp_path / "r.html", "--workers", 0)
    assert code == 0, err
    assert "open it in a browser" in said
    page = Page((tmp_path / "r.html").read_text())
    words = " ".join(page.words)
    assert "B - A" in words
    assert "diversify.views" in words
    assert sum(tag == "use" for tag, _ in page.tags) == 2 * 9


def test_words_of_the_user_are_words(made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tree = yaml.safe_load((made / "config.yaml").read_text())
    names = {"fog": EVIL, "day": "<i>day"}
    tree["data"]["source"]["name"] = names["day"]
    tree["data"]["targets"][0]["name"] = names["fog"]
    tree["data"]["prompts"]["source"] = "<u>a day"
    (tmp_path / "evil.yaml").write_text(yaml.safe_dump(tree))
    folder = tmp_path / "<img src=x>"
    shutil.copytree(made / "robust", folder, ignore=shutil.ignore_patterns("detections"))
    code, _, err = run(
        capfd, "report", folder, "-c", tmp_path / "evil.yaml", "--out", tmp_path / "r.html", "--workers", 0
    )
    assert code == 0, err
    page = Page((tmp_path / "r.html").read_text())
    assert not {"i", "u", "img", "script"} & {tag for tag, _ in page.tags}
    assert not any("onclick" in attributes for _, attributes in page.tags)
    assert any(EVIL in word for word in page.words)
    assert any(str(folder) in word for word in page.words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["run", "run"], "run: is named twice"),
        (["run", "--out", "config.yaml"], "config.yaml: is there already"),
        (["run", "--out", "data"], "data: is a folder"),
        (["run", "--corruptions", "data"], "data: no whole results of `clipgap evaluate --corruptions --out`"),
        (["run", "--upper", "run"], "run: is named twice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(
    made: Path, capfd: pytest.CaptureFixture[str], words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    code, out, err = run(capfd, "report", *words, *(() if "--out" in words else ("--out", "new.html")), "--workers", 0)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert not (made / "new.html").exists()


def test_more_series_than_there_are_colours(made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for number in range(7):
        Detector.load(made / "run").save(tmp_path / str(number))
    runs = [tmp_path / str(number) for number in range(7)]
    code, _, err = run(capfd, "report", *runs, "-c", made / "config.yaml", "--out", tmp_path / "r.html", "--workers", 0)
    assert (code, "at most 6 series" in err) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1440])
def test_it_is_as_wide_as_the_window(made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, width: int) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    assert run(capfd, "report", made / "run", made / "robust", "--out", tmp_path / "r.html", "--workers", 0)[0] == 0
    (tmp_path / "frame.html").write_text(
        f'<iframe src="r.html" style="width: {width}px; height: 800px; border: 0" onload="document.title = '
        'this.contentDocument.documentElement.scrollWidth"></iframe>'
    )
    words = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
    ]
    done = subprocess.run(
        [*words, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"file://{tmp_path / 'frame.html'}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search(r"<title>(\d+)</title>", done.stdout)
    assert title, done.stdout[:500]
    assert int(title[1]) <= width
    assert "CONSOLE" not in done.stderr
