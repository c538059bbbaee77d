"""What all tests share: one torch thread, Ctrl-C, and where the photographs are."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
settings.register_profile("clipgap", deadline=None)  # a machine that is busy is no fault
settings.load_profile("clipgap")

BESIDE = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of photographs; tests that need it are skipped where there is none."""
    folder = Path(os.environ.get("CLIPGAP_PHOTOS") or BESIDE)
    if not (folder / "day_yolo" / "data.yaml").is_file():
        pytest.skip(f"no photographs in {folder}; set CLIPGAP_PHOTOS to the folder that holds day_yolo")
    return folder
