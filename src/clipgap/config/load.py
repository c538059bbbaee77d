"""Read run configs and data files: YAML or a shipped preset, then `--set key=value`.

Paths written in a file are relative to that file; paths given with `--set` are relative to the current folder;
`run.out` always is. Roots may name an environment variable: `${CLIPGAP_PHOTOS:-../shared/data}`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from clipgap.config.data import DataConfig, expand_variables
from clipgap.config.messages import explain
from clipgap.config.recipes import with_recipe
from clipgap.config.schema import RunConfig
from clipgap.errors import ConfigError, one_line
from clipgap.parse import UnreadableError, parse_yaml

T = TypeVar("T", bound=BaseModel)

PATH_KEYS = ("data.root", "clip.file", "augment.file")
OF_A_CLIP = ("pretrained", "file", "quick_gelu", "tokenizer", "roi_blocks", "window")
"""Settings of `clip` that belong to its name: `--set clip.name=...` takes the file's back."""
PRESETS = resources.files("clipgap") / "presets"


def load_config(source: str | Path, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a run config (or a data file, for a run of the recipe `robust`) or a preset; apply `key=value` overrides.

    Raises:
        ConfigError: the file is missing or not YAML, or a key or value is wrong: one line a key.

    Examples:
        >>> config = clipgap.load_config("mini_world", ["recipe=robust", "train.steps=300"])
        >>> config.train.steps, config.diversify.views
        (300, 2)
    """
    path, folder = _find(source)
    tree = _read_yaml(path)
    if "data" not in tree and {"classes", "source"} <= tree.keys():
        tree = {"recipe": "robust", "data": _anchor(tree, folder, ("root",))}
    if isinstance(tree.get("data"), str):
        tree["data"] = _read_data(folder / expand_variables(tree["data"]))
    settings = _split(overrides)
    tree = _anchor(tree, folder, [key for key in PATH_KEYS if key not in settings])
    for key, text in settings.items():
        _apply(tree, key, text, settings)
    tree = with_recipe(tree, tree.get("recipe"))
    run = tree.get("run")
    if isinstance(run, dict) and isinstance(run.get("out"), str):
        run["out"] = expand_variables(run["out"])
    return validate(RunConfig, tree, str(source), settings)


def load_data_config(path: str | Path) -> DataConfig:
    """Read a data file (DESIGN, section 4), or the `data:` of a run config."""
    file, folder = _find(path)
    tree = _read_yaml(file)
    if "data" in tree:
        return load_config(path).data
    return validate(DataConfig, _anchor(tree, folder, ("root",)), str(path))


def validate(kind: type[T], tree: Mapping[str, Any], where: str, settings: Mapping[str, str] | None = None) -> T:
    """Build a typed section from plain values.

    Args:
        kind: the section.
        tree: its values.
        where: the file that they are from.
        settings: what `--set` put over it, by key.

    Raises:
        ConfigError: with one line for every key that is wrong; it names the file, or the `--set`.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        found = explain(kind, error.errors())
        raise ConfigError("\n".join(_line(place, said, where, settings or {}) for place, said in found)) from None


def to_yaml(config: BaseModel) -> str:
    """The config as YAML that `load_config` reads back to the same values."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def preset_names() -> list[str]:
    """Names of the run configs that ship with the package."""
    return sorted(Path(entry.name).stem for entry in PRESETS.iterdir() if entry.name.endswith(".yaml"))


def _find(source: str | Path) -> tuple[Path, Path]:
    """The file, and the folder its paths are relative to: a preset's are the user's, not the package's."""
    path = Path(os.path.expanduser(source))
    if os.path.isfile(path):  # Path.is_file raises where a folder may not be looked into
        return path, path.parent
    if str(source) in preset_names():
        return Path(str(PRESETS / f"{source}.yaml")), Path()
    if os.path.isdir(path):
        raise ConfigError(f"{source}: is a folder; --config takes a YAML file or a preset's name")
    known = ", ".join(preset_names())
    raise ConfigError(f"{one_line(str(source))}: no such file, and no preset of that name (presets: {known})")


def _read_data(path: Path) -> dict[str, Any]:
    return _anchor(_read_yaml(path), path.parent, ("root",))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; save it as UTF-8, or name a YAML file") from None
    except OSError as error:
        raise ConfigError(f"{one_line(str(path))}: cannot be read ({error.strerror})") from None
    except UnreadableError as error:
        raise ConfigError(f"{path}{error.place}: not valid YAML ({error.problem})") from None
    except ValueError:
        raise ConfigError(f"{one_line(str(path))}: no file has such a name; correct it") from None
    if tree is None:
        raise ConfigError(f"{path}: is empty; write `data:` and the other settings")
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, got a {'list' if isinstance(tree, list) else 'value'}")
    return {str(key): value for key, value in tree.items()}


def _anchor(tree: dict[str, Any], folder: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Make a file's own paths absolute, so that it means the same from every folder."""
    for key in keys:
        *parents, leaf = key.split(".")
        node: Any = tree
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue
        value = node.get(leaf, "." if leaf == "root" else None)
        if isinstance(value, str):
            node[leaf] = os.path.abspath(folder / expand_variables(value))
    return tree


def _split(overrides: Iterable[str]) -> dict[str, str]:
    """`key=value` texts by key, in their order; of one key the last counts."""
    settings: dict[str, str] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            raise ConfigError(f"--set {one_line(override)}: expected key=value, for example train.steps=300")
        settings.pop(key, None)
        settings[key] = text
    return settings


def _apply(tree: dict[str, Any], key: str, text: str, settings: Mapping[str, str]) -> None:
    try:
        value = parse_yaml(text)
    except UnreadableError as error:
        raise ConfigError(f"{_shown(key, text)}: the value is not valid YAML ({error.problem})") from None
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{_shown(key, text)}: {parent} is not a group of settings")
    if key in PATH_KEYS and isinstance(value, str):
        value = os.path.abspath(expand_variables(value))
    if key == "data" and isinstance(value, str):
        value = _read_data(Path(expand_variables(value)))
    if key == "clip.name" and node.get(leaf) != value:
        for other in OF_A_CLIP:
            if f"clip.{other}" not in settings and node.get(other) != "random":
                node.pop(other, None)
    node[leaf] = value


def _line(place: tuple[str | int, ...], said: str, where: str, settings: Mapping[str, str]) -> str:
    key = ".".join(map(str, place))
    if key in settings:
        return f"{_shown(key, settings[key])}: {said}"
    around = [own for own in settings if f"{key}.".startswith(f"{own}.")]
    inside = [own for own in settings if key and own.startswith(f"{key}.")]
    if around or inside:
        own = max(around, key=len) if around else inside[-1]
        return f"{_shown(own, settings[own])}: {key}: {said}"
    return f"{where}: {key}: {said}" if key else f"{where}: {said}"


def _shown(key: str, text: str) -> str:
    return f"--set {one_line(f'{key}={text}')}"
