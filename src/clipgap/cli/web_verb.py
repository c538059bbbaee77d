"""`clipgap web`: a page to try detectors on."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from clipgap.cli.early import distinct, require_detector
from clipgap.detectors import shipped_detector
from clipgap.errors import ConfigError

MOST = 2
"""Detectors side by side."""


def web(
    runs: Annotated[list[Path] | None, typer.Argument(help="One or two run folders, or exported detectors.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: whichever is free.")] = 7860,
) -> None:
    """Open a page on this machine on which pictures are dropped and one or two detectors look at them."""
    if runs and len(runs) > MOST:
        raise ConfigError(f"the page shows {MOST} detectors side by side, not {len(runs)}")
    folders = distinct(runs) if runs else [shipped_detector()]
    for folder in folders:
        require_detector(folder)
    if importlib.util.find_spec("gradio") is None:
        raise ConfigError("the page needs Gradio, which is not installed here: pip install gradio")
    from clipgap.engine.progress import log
    from clipgap.web.contender import Contender
    from clipgap.web.page import serve

    if not runs:
        log.print("no detector named: the one that ships with clipgap, of the drawn world", highlight=False)
    contenders = [Contender(folder) for folder in folders]
    try:
        page, address = serve(contenders, port)
    except OSError:
        raise ConfigError(f"--port {port}: is taken; choose another, or 0 for whichever is free") from None
    log.print(f"{address}  (Ctrl-C ends it)", highlight=False)
    page.block_thread()
