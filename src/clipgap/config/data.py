"""What a data file says: domains and where their files are, classes, prompts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clipgap.config.prompts import PromptsConfig
from clipgap.config.section import Metric, Section, Words
from clipgap.errors import ConfigError, DataError, one_line

Splits = Words | Annotated[list[Words], Field(min_length=1)] | None
Format = Literal["voc", "coco", "yolo"]
VocBoxes = Literal["standard", "authors", "zero_based"]
Role = Literal["train", "selection", "scored"]
"""What a split is used for: trained on, weights chosen on it, scored by `evaluate`."""


MEAN = "mean of targets"
"""What tables call the mean of their target domains."""


class Reading(Section):
    """How files are read. Said for all domains, for one domain or for a part of one: the nearest word counts."""

    keep_empty: bool = True
    """Images without boxes stay: negatives in training, images on which nothing should be found in scoring."""
    voc_boxes: VocBoxes = "standard"
    """`standard`: VOC's 1-based inclusive pixels -> (xmin-1, ymin-1, xmax, ymax); `zero_based`: corners as they stand
    (CVAT, Datumaro); `authors`: 1 off all four in training, `standard` in scoring, which is what theirs amounts to."""
    size_mismatch: Literal["error", "image"] = "error"
    """Where an annotation file states another size than its image has: `error`, or `image`: the image's counts."""
    yolo_segments: Literal["box", "error"] = "box"
    """Outlines in YOLO label files: `box`, the box that encloses them, or `error`."""
    match_case: bool = True
    """Whether class names must agree with `classes` and `rename` in capitals too."""
    outside_root: Literal["refuse", "allow"] = "refuse"
    """Files that an annotation file or list names outside of `root`."""


class PartConfig(Section):
    """Files of one format in one folder. A split: its name, a list file (`.txt`, `.json`), or several in a list."""

    format: Format | None = None
    """How boxes are stored: `voc`, `coco` or `yolo`."""
    root: str = "."
    """Its folder: a domain's relative to the data file's `root`, a part's relative to its domain's."""
    images: str | None = None
    """Folder of the images, relative to `root`, where it is none of the format's usual ones."""
    annotations: str | None = None
    """Folder of VOC's XML files or YOLO's label files, relative to `root`, where it is none of the format's usual
    ones."""
    train: Splits = None
    """Split that step one and step two learn from (source only)."""
    val: Splits = None
    """Split on which the weights are chosen (source only); `test` where this is not given."""
    test: Splits = None
    """Split that `evaluate` scores; `val` where this is not given."""
    rename: dict[str, Words] = {}
    """From the set's own class names to those of `classes`; a part's go over its domain's."""
    keep_empty: bool | None = None
    """In place of `data.keep_empty`; so are the next five."""
    voc_boxes: VocBoxes | None = None
    """See `data.voc_boxes`."""
    size_mismatch: Literal["error", "image"] | None = None
    """See `data.size_mismatch`."""
    yolo_segments: Literal["box", "error"] | None = None
    """See `data.yolo_segments`."""
    match_case: bool | None = None
    """See `data.match_case`."""
    outside_root: Literal["refuse", "allow"] | None = None
    """See `data.outside_root`."""

    @model_validator(mode="after")
    def _splits_are_unique(self) -> PartConfig:
        for key in ("train", "val", "test"):
            _refuse_repeats(key, self.splits(key))
        return self

    def splits(self, key: str) -> list[str]:
        """The splits that are listed under `train`, `val` or `test`."""
        value = getattr(self, key)
        return [value] if isinstance(value, str) else list(value or [])


class DomainConfig(PartConfig):
    """One domain: where its images and boxes are, and which splits play which part."""

    name: Words
    """The domain's name in tables."""
    metric: Metric | None = None
    """In place of `evaluate.metric`, for this domain: `voc2007` or `voc2012` (`coco` only for all domains together)."""
    parts: list[PartConfig] = []
    """Several folders that are one domain. Each has splits of its own; what it does not say, its domain says."""

    @model_validator(mode="after")
    def _name_is_no_row_of_tables(self) -> DomainConfig:
        if self.name == MEAN:
            raise ValueError(f"a domain cannot be called {MEAN!r}, which is a row of every table")
        return self

    @model_validator(mode="after")
    def _format_and_splits_have_one_home(self) -> DomainConfig:
        if not self.format and not all(part.format for part in self.parts or [self]):
            raise ValueError("`format` is missing: voc, coco or yolo")
        if self.parts and (self.train or self.val or self.test):
            raise ValueError("with `parts`, `train`, `val` and `test` are said in each of them")
        return self

    def pieces(self, role: Role) -> list[tuple[PartConfig, str]]:
        """The splits that play a role, each with the part of the domain that holds it."""
        keys = {"train": ("train",), "selection": ("val", "test"), "scored": ("test", "val")}[role]
        for key in keys:
            found = [(part, split) for part in self.parts or [self] for split in part.splits(key)]
            if found:
                return found
        return []

    def split_name(self, role: Role) -> str | None:
        """The splits that play a role, in words; None where none does."""
        return " + ".join(dict.fromkeys(self._label(part, split) for part, split in self.pieces(role))) or None

    @property
    def selection_split(self) -> str | None:
        """The split on which weights are chosen, in words."""
        return self.split_name("selection")

    @property
    def scored_split(self) -> str | None:
        """The split that `evaluate` scores, in words."""
        return self.split_name("scored")

    def _label(self, part: PartConfig, split: str) -> str:
        return split if part is self else f"{part.root}/{split}"


class DataConfig(Reading):
    """What a data file holds: the domains, the classes and the prompts."""

    root: str = "."
    """Folder to which every domain's `root` is relative."""
    classes: list[Words] = Field(min_length=1)
    """Class names, in the order of the labels."""
    source: DomainConfig
    targets: list[DomainConfig] = []
    """The target domains: only scored, never trained on."""
    prompts: PromptsConfig = PromptsConfig()

    @model_validator(mode="after")
    def _names_are_unique(self) -> DataConfig:
        _refuse_repeats("classes", self.classes)
        _refuse_repeats("domain names", [d.name for d in self.domains])
        if not all(
            self.reading(domain, part).match_case for domain in self.domains for part in domain.parts or [domain]
        ):
            _refuse_repeats("classes, compared without case (match_case: false)", [c.casefold() for c in self.classes])
        for domain in self.domains:
            renames = [*domain.rename.values(), *(name for part in domain.parts for name in part.rename.values())]
            strangers = sorted(set(renames) - set(self.classes))
            if strangers:
                raise ValueError(f"`rename` of domain {domain.name} leads to {strangers[0]!r}, not one of `classes`")
        unknown = [name for name in self.prompts.class_names if name not in self.classes]
        if unknown:
            raise ValueError(f"`prompts.class_names` has words for {unknown[0]!r}, not one of `classes`")
        return self

    @property
    def domains(self) -> list[DomainConfig]:
        """The source first, then the targets in the order of the file."""
        return [self.source, *self.targets]

    def folder(self, domain: DomainConfig, part: PartConfig | None = None) -> Path:
        """Where the files of a domain, or of a part of it, are."""
        folder = Path(self.root) / expand_variables(domain.root)
        return folder if part is None or part is domain else folder / expand_variables(part.root)

    def existing_folder(self, domain: DomainConfig, part: PartConfig) -> Path:
        """`folder`, after making sure that it is there.

        Raises:
            DataError: it is not.
        """
        folder = self.folder(domain, part)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder: correct `root` of domain {domain.name}, or the data file's")
        return folder

    def refuse_inside(self, path: str | Path, option: str) -> None:
        """Make sure that nothing is written into a data set.

        Raises:
            ConfigError: the path is inside the folder of a domain, or of a part of one.
        """
        place = Path(path).resolve()
        for domain in self.domains:
            for part in domain.parts or [domain]:
                folder = self.folder(domain, part)
                if place.is_relative_to(folder.resolve()):
                    raise ConfigError(
                        f"{path}: is inside the data set {folder}, which is only read: choose another {option}"
                    )

    def reading(self, domain: DomainConfig, part: PartConfig) -> Reading:
        """How a part of a domain is read: its own word, else the domain's, else the data file's."""
        levels = (part, domain, self)
        said = {key: [getattr(level, key) for level in levels] for key in Reading.model_fields}
        return Reading(**{key: next(value for value in values if value is not None) for key, values in said.items()})


def expand_variables(text: str) -> str:
    """Put in `~` and environment variables: `$NAME`, `${NAME}` and `${NAME:-what to use when it is not set}`."""

    def value(match: re.Match[str]) -> str:
        name, default = match.group("name") or match.group("bare"), match.group("default")
        if not os.environ.get(name) and default is None:
            raise ConfigError(
                f"{one_line(text)}: the environment variable {name} is not set; set it, or write the path itself"
            )
        return os.environ.get(name) or str(default)

    put_in = re.sub(r"\$(?:\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))", value, text)
    try:
        return os.path.expanduser(put_in)
    except ValueError:  # a NUL or half a letter behind `~`, where a user's name belongs
        raise ConfigError(f"{one_line(text)}: no folder has such a name; correct it") from None


def _refuse_repeats(what: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what}: {repeated[0]!r} is there twice")
