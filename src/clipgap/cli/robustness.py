"""`clipgap evaluate --corruptions`: the source's test split under corruption."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipgap.cli.commands import stopped_at_once
from clipgap.cli.early import require_folders
from clipgap.config import RunConfig
from clipgap.engine.names import DETECTIONS, hash_of_detector
from clipgap.engine.robustness_folder import ASKED, LINES, require_cache, require_results
from clipgap.errors import ConfigError, DataError, there_are
from clipgap.files import require_apart

if TYPE_CHECKING:
    from clipgap.engine.robustness import RobustnessSettings

Corruptions = Annotated[
    str | None,
    typer.Option(help="Score the source under corruption: `all` (the 15 standard ones), or names with commas."),
]
Severities = Annotated[str | None, typer.Option(help="Of --corruptions: 3, 1,3,5 or 1-5 (the default).")]
Out = Annotated[Path | None, typer.Option(help="Folder for the results of --corruptions, to go on with.")]
Verify = Annotated[bool, typer.Option("--verify", help="Detect nothing: make the table of what was kept, and compare.")]
Cache = Annotated[Path | None, typer.Option(help="Folder that keeps the corrupted images (PNG) for the next time.")]


@dataclass(frozen=True)
class Asked:
    """The options as they are given."""

    run: Path
    corruptions: str | None
    severity: str | None
    out: Path | None
    resume: bool
    verify: bool
    cache: Path | None
    csv: Path | None

    def checked(self, config: RunConfig) -> bool:
        """Whether a score under corruption is asked for; tells mistakes that can be seen without torch.

        Raises:
            ConfigError: an unknown name or severity, or an option without the one that it goes with.
            DataError: a folder that is not there, or that cannot be written to.
        """
        given = {"--severity": self.severity, "--out": self.out, "--cache": self.cache}
        if self.corruptions is None:
            alone = [option for option, value in given.items() if value]
            if alone:
                raise ConfigError(f"{alone[0]} goes with --corruptions: give it, or leave {alone[0]} out")
            self._require_kept()
            return False
        if self.verify:
            raise ConfigError("--verify makes the table of the domains again: leave it or --corruptions out")
        read_corruptions(self.corruptions)
        read_severities(self.severity)
        if self.resume and self.out is None:
            raise ConfigError("--resume goes on with the results in --out: give --out")
        for option, folder in (("--out", self.out), ("--cache", self.cache)):
            if folder:
                config.data.refuse_inside(folder, option)
        self._require_apart()
        if self.out:
            require_results(self.out, self.resume)
        if self.cache:
            require_cache(self.cache)
        require_folders(config.data, [config.data.source])
        return True

    def _require_kept(self) -> None:
        """Make sure that there are detections to go on with, or to make a table of."""
        if self.resume and self.verify:
            raise ConfigError("--verify detects nothing: leave it or --resume out")
        option = "--resume" if self.resume else "--verify" if self.verify else None
        if option and not (self.run / DETECTIONS).is_dir():
            raise DataError(f"{self.run / DETECTIONS}: not there, so nothing was detected; leave {option} out")

    def _require_apart(self) -> None:
        """Make sure that no result is taken for another, or written over it; a table may be beside the results."""
        beside = self.csv and self.out and self.csv.parent == self.out and self.csv.name not in (ASKED, LINES)
        places = {"--cache": self.cache, "--out": self.out, "--csv": self.csv}
        for one, other in (("--cache", "--out"), ("--csv", "--cache"), *([] if beside else [("--csv", "--out")])):
            first, second = places[one], places[other]
            if first and second:
                require_apart(first, second, (one, other))

    def settings(self) -> RobustnessSettings:
        """The same for the engine."""
        from clipgap.engine.robustness import RobustnessSettings

        return RobustnessSettings(
            read_corruptions(self.corruptions or "all"),
            read_severities(self.severity),
            self.out,
            self.resume,
            self.cache,
            hash_of_detector(self.run),
        )


def score_corrupted(asked: Asked, config: RunConfig, device: str | None, as_json: bool) -> None:
    """Score, and print or write the table; `device` as it is given."""
    from clipgap.cli.exported import load_exported
    from clipgap.cli.show import give_table
    from clipgap.engine.robustness import evaluate_corruptions
    from clipgap.engine.runtime import on_cpu, take_place

    exported = load_exported(asked.run, device)
    place = take_place(on_cpu(config.run) if exported else config.run)
    with stopped_at_once(asked.out / LINES) if asked.out else nullcontext():
        table = evaluate_corruptions(exported or asked.run, config, asked.settings(), place=place)
    if place.group.main:
        give_table(table, asked.csv, as_json)


def read_corruptions(text: str) -> tuple[str, ...]:
    """`all` (the 15 standard ones) or names with commas -> names, each once, in their order.

    Raises:
        ConfigError: a name is unknown.
    """
    from clipgap.corruptions import CORRUPTIONS, STANDARD

    names: dict[str, None] = {}
    for word in (part.strip() for part in text.split(",")):
        if word != "all" and word not in CORRUPTIONS:
            raise ConfigError(f"--corruptions {word!r}: no such corruption ({there_are(word, ['all', *CORRUPTIONS])})")
        names |= dict.fromkeys(STANDARD if word == "all" else [word])
    return tuple(names)


def read_severities(text: str | None) -> tuple[int, ...]:
    """`3`, `1,3,5` or `1-5` -> severities from 1 to 5, in order; none given: all five.

    Raises:
        ConfigError: it is something else.
    """
    found: set[int] = set()
    for part in ("1-5" if text is None else text).split(","):
        match = re.fullmatch(r"\s*([1-5])\s*(?:-\s*([1-5])\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (2, 1)
        if first > last:
            raise ConfigError(f"--severity {text!r}: expected 1 to 5, for example 3, 1,3,5 or 1-5")
        found |= set(range(first, last + 1))
    return tuple(sorted(found))
