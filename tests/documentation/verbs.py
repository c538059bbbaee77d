"""The reference of the command line in docs/cli_*.md: every verb's help, arguments and options, from the functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from clipgap.cli.main import app

Verb = Callable[..., Any]
JOB = ("fit", "train", "evaluate", "compare", "report", "predict", "export", "import")
"""Verbs of the job itself, which have a page of their own."""
WORDS = {Path: "PATH", str: "TEXT", int: "INTEGER", float: "NUMBER"}


class Parameter(NamedTuple):
    """One argument or option: its name as it is typed, what stands for its value, its default, and its help."""

    name: str
    value: str
    default: str
    help: str


def verbs(of: typer.Typer = app, before: str = "") -> Iterator[tuple[str, Verb]]:
    """Every verb with all its words, and the function behind it."""
    for command in of.registered_commands:
        assert command.callback
        yield f"{before}{command.name or command.callback.__name__}", command.callback
    for group in of.registered_groups:
        assert group.typer_instance
        yield from verbs(group.typer_instance, f"{group.name} ")


def reference() -> dict[str, str]:
    """The sections of both pages by the file's name."""
    job = {name: verb for name, verb in verbs() if name in JOB}
    rest = {name: verb for name, verb in verbs() if name not in JOB}
    return {"cli_job.md": _sections(job), "cli_more.md": _sections(rest)}


def _sections(of: dict[str, Verb]) -> str:
    return "\n\n".join(_section(name, verb) for name, verb in of.items())


def _section(name: str, verb: Verb) -> str:
    parts = [f"## clipgap {name}", " ".join((inspect.getdoc(verb) or "").split())]
    if rows := [_row(parameter) for parameter in parameters(verb)]:
        parts.append("\n".join(["| argument or option | default | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _row(parameter: Parameter) -> str:
    typed = f"{parameter.name} {parameter.value}".strip()
    return "| " + " | ".join(_cell(text) for text in (f"`{typed}`", parameter.default, parameter.help)) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def parameters(verb: Verb) -> Iterator[Parameter]:
    """What a verb takes, in its order."""
    hints = get_type_hints(verb, include_extras=True)
    for name, parameter in inspect.signature(verb).parameters.items():
        kind, info = get_args(hints[name]) if get_origin(hints[name]) is Annotated else (hints[name], None)
        if isinstance(info, OptionInfo | ArgumentInfo) and not info.hidden:
            yield Parameter(_name(name, info), _value(kind, info), _default(parameter.default), info.help or "")


def _name(name: str, info: OptionInfo | ArgumentInfo) -> str:
    if isinstance(info, ArgumentInfo):
        return info.metavar or name.upper()
    # Within Annotated, typer takes the first of ("--config", "-c") for a default.
    first = [info.default] if isinstance(info.default, str) else []
    return ", ".join([*first, *(info.param_decls or ())] or [f"--{name.replace('_', '-')}"])


def _value(kind: Any, info: OptionInfo | ArgumentInfo) -> str:
    """What is typed for a value: nothing for a switch or an argument, whose name stands for it."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    if isinstance(info, ArgumentInfo):
        return "..." if get_origin(kind) is list and not info.metavar else ""
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    (kind,) = get_args(kind) or (kind,)
    return info.metavar or WORDS.get(kind, "")


def _default(value: object) -> str:
    if value is inspect.Parameter.empty or value is ...:
        return "(required)"
    return "" if value is None or value is False or value == [] else f"`{value}`"
