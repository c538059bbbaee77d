"""Read run configs and data files: YAML or a shipped preset, then `--set key=value`.

Paths written in a file are relative to that file; paths given with `--set` are relative to the current folder;
`run.out` always is. Roots may name an environment variable: `${CLIPGAP_PHOTOS:-../shared/data}`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from clipgap.config.data import DataConfig, expand_variables
from clipgap.config.schema import RunConfig
from clipgap.errors import ConfigError

T = TypeVar("T", bound=BaseModel)

PATH_KEYS = ("data.root", "clip.file", "augment.file")
PRESETS = resources.files("clipgap") / "presets"


def load_config(source: str | Path, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a run config from a YAML file or a shipped preset and apply `key=value` overrides.

    Raises:
        ConfigError: the file is missing or not YAML, or a key or value is wrong: one line a key.
    """
    path, folder = _find(source)
    tree = _read_yaml(path)
    if isinstance(tree.get("data"), str):
        tree["data"] = _read_data(folder / expand_variables(tree["data"]))
    overrides = list(overrides)
    replaced = {override.partition("=")[0].strip() for override in overrides}
    tree = _anchor(tree, folder, [key for key in PATH_KEYS if key not in replaced])
    for override in overrides:
        _apply(tree, override)
    run = tree.get("run")
    if isinstance(run, dict) and isinstance(run.get("out"), str):
        run["out"] = expand_variables(run["out"])
    return validate(RunConfig, tree, str(source))


def load_data_config(path: str | Path) -> DataConfig:
    """Read a data file (DESIGN, section 4), or the `data:` of a run config."""
    file, folder = _find(path)
    tree = _read_yaml(file)
    if "data" in tree:
        return load_config(path).data
    return validate(DataConfig, _anchor(tree, folder, ("root",)), str(path))


def validate(kind: type[T], tree: Mapping[str, Any], where: str) -> T:
    """Build a typed section from plain values, with one line for every key that is wrong."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(kind, where, detail) for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def to_yaml(config: BaseModel) -> str:
    """The config as YAML that `load_config` reads back to the same values."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def preset_names() -> list[str]:
    """Names of the run configs that ship with the package."""
    return sorted(Path(entry.name).stem for entry in PRESETS.iterdir() if entry.name.endswith(".yaml"))


def _find(source: str | Path) -> tuple[Path, Path]:
    """The file, and the folder its paths are relative to: a preset's are the user's, not the package's."""
    path = Path(source)
    if os.path.isfile(path):  # Path.is_file raises where a folder may not be looked into
        return path, path.parent
    if str(source) in preset_names():
        return Path(str(PRESETS / f"{source}.yaml")), Path()
    if os.path.isdir(path):
        raise ConfigError(f"{source}: is a folder; --config takes a YAML file or a preset's name")
    known = ", ".join(preset_names())
    raise ConfigError(f"{source}: no such file, and no preset of that name (presets: {known})")


def _read_data(path: Path) -> dict[str, Any]:
    return _anchor(_read_yaml(path), path.parent, ("root",))


class _Loader(yaml.SafeLoader):
    """YAML's own rule, which PyYAML does not keep: a key must not be there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        repeated = next((key for number, key in enumerate(keys) if key in keys[:number]), None)
        if repeated is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{repeated!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except (ValueError, LookupError, AttributeError, RecursionError) as error:  # `2026-13-01`, `!!bool 1`, `[[[[...`
        raise yaml.YAMLError(f"a value cannot be read: {error}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = _parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path}{line}: not valid YAML ({problem})") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, got {type(tree).__name__}")
    return tree


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


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected key=value, for example train.steps=300")
    try:
        value = _parse(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from None
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"--set {override}: {parent} is not a group of settings")
    if key in PATH_KEYS and isinstance(value, str):
        value = os.path.abspath(expand_variables(value))
    if key == "data" and isinstance(value, str):
        value = _read_data(Path(expand_variables(value)))
    node[leaf] = value


def _explain(kind: type[BaseModel], where: str, detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    prefix = f"{where}: {key}: " if key else f"{where}: "
    if detail["type"] == "extra_forbidden":
        known = _fields(kind, detail["loc"][:-1])
        near = get_close_matches(str(detail["loc"][-1]), known, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        return f"{prefix}no such setting ({meant}there are: {', '.join(known)})"
    if detail["type"] == "missing":
        return f"{prefix}is missing"
    message = detail["msg"].removeprefix("Value error, ")
    shown = key and not isinstance(detail["input"], dict)
    return f"{prefix}{message}" + (f", got {detail['input']!r}" if shown else "")


def _fields(kind: type[BaseModel], parents: tuple[str | int, ...]) -> list[str]:
    for parent in parents:
        if isinstance(parent, int):
            continue
        annotation: Any = kind.model_fields[parent].annotation
        inner = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
        kind = inner[0] if inner else annotation
    return list(kind.model_fields)
