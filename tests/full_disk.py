"""Commands where there is too little room: `python -m tests.full_disk MADE DISK KIND SHARES VERB...`.

A process of its own, because its limits are: KIND `disk` needs a new mount namespace (`unshare -Urm`) and mounts a
small file system at DISK; `file` lowers the size that a file may have (RLIMIT_FSIZE), which every process may. A
command is done with room, then with SHARES of what that took, then by the line that the error printed. Prints a line
of JSON for every share.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOM = 2**30


def commands(made: Path, disk: Path, kind: str) -> dict[str, str]:
    """By verb, of a folder that `make_trained` made."""
    readers = 1 if kind == "disk" else 0  # the limit is also one of the memory that readers share
    config, run = made / "config.yaml", made / "run"
    corrupted = f"--corruptions fog --severity 1 --out {disk}/scores --cache {disk}/cache --csv {disk}/table.csv"
    return {
        "train": f"train --config {config} --set run.out={disk}/run",
        "fit": f"fit --config {config} --out {disk}/new/aug.safetensors",
        "predict": f"predict {run} {made}/data/night_sunny --out {disk}/out",
        "evaluate": f"evaluate {run} --csv {disk}/new/table.csv",
        "corruptions": f"evaluate {run} --workers {readers} {corrupted}",
        "convert": f"data convert --config {config} --domain day --split train --to voc --out {disk}/voc",
        "export": f"export {run} --out {disk}/onnx",
        "make": f"world make --out {disk}/world --scenes 2 --held-out 1 --workers 2",
    }


def main() -> None:
    made, disk, kind, shares, *verbs = sys.argv[1:]
    limits: dict[str, Callable[[Path, int], object]] = {"disk": limit_disk, "file": limit_file}
    if kind == "disk":
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", disk], check=True)
    for verb in verbs:
        words = shlex.split(commands(Path(made), Path(disk), kind)[verb])
        for one in trials(words, Path(disk), limits[kind], json.loads(shares)):
            print(json.dumps({"verb": verb, **one}), flush=True)


def trials(words: list[str], disk: Path, limit: Callable[[Path, int], object], shares: list[float]) -> Any:
    """What happened with every share of the room that a command takes."""
    limit(disk, ROOM)
    code, said = run(words)
    if code:
        yield {"share": None, "code": code, "said": said}
        return
    whole = named(disk)
    sizes = [path.stat().st_size for path in disk.rglob("*") if path.is_file()]
    room = sum(sizes) if limit is limit_disk else max(sizes)
    for share in shares:
        clear(disk)
        limit(disk, int(share * room))
        code, said = run(words)
        left = named(disk)
        limit(disk, ROOM)
        again = shlex.split(said.rpartition(" with: clipgap ")[2]) if " with: clipgap " in said else words
        code_after, said_after = run(again)
        same = named(disk) == whole
        first = {"share": share, "code": code, "said": said, "left": left, "again": again}
        yield {**first, "code_after": code_after, "said_after": said_after, "same": same}
    clear(disk)


def run(words: list[str]) -> tuple[int, str]:
    """Exit code and stderr of a command line."""
    from clipgap.cli.main import main

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main(list(words))
        except SystemExit as ended:
            return int(ended.code or 0), said.getvalue()
    raise AssertionError("it did not end")


def limit_disk(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={max(size, 4096)}", disk], check=True)


def limit_file(_: Path, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def named(disk: Path) -> list[str]:
    """All files and folders that are there."""
    return sorted(str(path.relative_to(disk)) for path in disk.rglob("*"))


def clear(disk: Path) -> None:
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
