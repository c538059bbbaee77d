"""Classes that settings name by `module:Class`: ours, and a user's own (docs/extending.md)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from clipgap.errors import ConfigError, one_line


def load_class(path: str, key: str) -> Any:
    """The class at `module:Class`; modules of the working directory are found too.

    Args:
        path: `package.module:Class`.
        key: the setting that named it, for the message.

    Raises:
        ConfigError: there is no such module or class, or the module fails when it is imported.
    """
    module, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's module may fail in any way)
        raise ConfigError(f"{key}: {path}: cannot import {module} ({said(error)})") from None
    if not isinstance(found, type):
        raise ConfigError(f"{key}: {path}: the module {module} has no class {name}")
    return found


def make_lever(path: str, key: str, *arguments: Any) -> Any:
    """An object of the class at `module:Class`.

    Raises:
        ConfigError: as `load_class`, or the class cannot be made from these arguments.
    """
    kind = load_class(path, key)
    try:
        return kind(*arguments)
    except Exception as error:  # noqa: BLE001 (a user's class may fail in any way)
        raise ConfigError(f"{key}: {path}: cannot be made ({said(error)})") from None


def said(error: BaseException) -> str:
    """An error of a user's own code in one line."""
    return one_line(f"{type(error).__name__}: {error}")
