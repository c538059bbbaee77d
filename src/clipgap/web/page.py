"""The page itself, by Gradio: what is where, and what happens when."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from clipgap.errors import ClipgapError
from clipgap.web.contender import Contender
from clipgap.web.session import (
    CHOICES,
    MOST_FRAMES,
    MOST_PICTURES,
    NO_WEATHER,
    Session,
    draw_streets,
    drawn,
    look,
    packed,
    read,
)

LARGEST = "50mb"
"""Of a file."""
FIRST_SCORE = 0.5
KEPT_FOR = 3600
"""Seconds for which what was uploaded is kept at least, and after which it is looked for what is older."""
SAID = (
    "Weather is the drawn world's optics on your picture: how far things are is guessed from the height in it alone, "
    "and daylight is taken for granted. It is there to look at; `clipgap evaluate --corruptions` measures."
)
FILES = f"pictures (at most {MOST_PICTURES}) or a short video ({MOST_FRAMES} frames of it)"


class Page:
    """One or two detectors side by side.

    Args:
        contenders: the detectors.
    """

    def __init__(self, contenders: Sequence[Contender]) -> None:
        self.contenders = contenders
        self.folder = tempfile.TemporaryDirectory(prefix="clipgap_web_")
        """Of what visitors download; goes with the page."""
        with gr.Blocks(title="clipgap", analytics_enabled=False, delete_cache=(KEPT_FOR, KEPT_FOR)) as self.blocks:
            self.session = gr.State(lambda: Session())  # a visitor's own
            gr.Markdown("# clipgap\nDrop pictures or a short video, or draw streets; then make it foggy.")
            with gr.Row():
                with gr.Column(scale=1, min_width=280):
                    self._ask()
                with gr.Column(scale=3, min_width=320):
                    names = " | ".join(one.name for one in contenders)
                    self.gallery = gr.Gallery(
                        label=names, columns=len(contenders), height=760, object_fit="contain", elem_id="gallery"
                    )
            gr.Markdown(SAID)
            self._connect()
        self.blocks.queue(max_size=32)

    def _ask(self) -> None:
        """What a visitor can set."""
        words = all(one.takes_words for one in self.contenders)
        self.files = gr.File(label=FILES, file_count="multiple", elem_id="files")
        self.street = gr.Button("Draw streets", elem_id="street")
        self.weather = gr.Radio(list(CHOICES), value=NO_WEATHER, label="weather", elem_id="weather")
        self.strength = gr.Slider(0, 1, 0.5, step=0.05, label="strength", elem_id="strength")
        self.least = gr.Slider(0, 1, FIRST_SCORE, step=0.01, label="least score", elem_id="least")
        self.words = gr.Textbox(
            label="classes, with commas (none: those that were trained)", elem_id="words", visible=words
        )
        self.save = gr.DownloadButton("Download JSON and pictures", elem_id="save", interactive=False)
        self.said = gr.Textbox(label="said", interactive=False, elem_id="said", lines=2)

    def _connect(self) -> None:
        """What happens when."""
        asked = [self.session, self.weather, self.strength, self.words, self.least]
        shown = [self.session, self.gallery, self.said, self.save]
        alone: dict[str, Any] = {"concurrency_id": "look", "concurrency_limit": 1}  # of all visitors
        self.files.change(self._take, [self.files, *asked], shown, **alone)
        self.street.click(self._draw, asked, shown, **alone)
        for event in (self.weather.change, self.strength.release, self.words.submit):
            event(self._look, asked, shown, **alone)
        self.least.release(self._cut, [self.session, self.least], [self.gallery, self.save], **alone)

    def _take(self, files: list[str] | None, mine: Session, *asked: Any) -> tuple[Any, ...]:
        mine.pictures, said = read(files or [])
        return self._looked(mine, said, *asked)

    def _draw(self, mine: Session, *asked: Any) -> tuple[Any, ...]:
        mine.pictures = draw_streets(int.from_bytes(os.urandom(4)))
        return self._looked(mine, [], *asked)

    def _look(self, mine: Session, *asked: Any) -> tuple[Any, ...]:
        return self._looked(mine, [], *asked)

    def _looked(
        self, mine: Session, said: list[str], weather: str, strength: float, words: str, least: float
    ) -> tuple[Any, ...]:
        """Everything that a new look changes."""
        progress, lines = gr.Progress(), list(said)
        try:
            look(mine, self.contenders, weather, strength, words, lambda done, of: progress((done, of)))
        except ClipgapError as error:
            lines.append(str(error))
        return mine, drawn(mine, least), "\n".join(lines), self._offered(mine, least)

    def _cut(self, mine: Session, least: float) -> tuple[Any, ...]:
        """Another least score needs no look."""
        return drawn(mine, least), self._offered(mine, least)

    def _offered(self, mine: Session, least: float) -> Any:
        """The button with the file that it gives: made before it is pressed, as Gradio wants it."""
        file = Path(self.folder.name) / mine.key / "clipgap.zip"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(packed(mine, least))
        return gr.DownloadButton(value=str(file), interactive=bool(mine.looks))


def serve(contenders: Sequence[Contender], port: int) -> tuple[gr.Blocks, str]:
    """Serve the page on this machine alone, in threads of their own; the page and its address.

    Args:
        contenders: the detectors.
        port: 0: whichever is free.

    Raises:
        OSError: the port is taken.
    """
    blocks = Page(contenders).blocks
    _, address, _ = blocks.launch(
        server_name="127.0.0.1",
        server_port=port or None,
        max_file_size=LARGEST,
        allowed_paths=[],
        quiet=True,
        prevent_thread_lock=True,
        footer_links=[],
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    return blocks, str(address)
