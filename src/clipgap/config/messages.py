"""What is told about a setting that is wrong: our words for every kind of error that pydantic can find in a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from clipgap.errors import did_you_mean, there_are

WORDS = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": "expected names and values (`{{a: b}}`)",
    "finite_number": "expected a finite number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a whole number, and none so large",
    "int_type": "expected a whole number",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "expected a list (`[a, b]`)",
    "literal_error": "expected {expected}",
    "model_type": "expected a group of settings (`{{key: value}}`)",
    "model_attributes_type": "expected a group of settings (`{{key: value}}`)",
    "string_pattern_mismatch": "must not be blank",
    "string_type": "expected text",
    "string_unicode": "expected text without broken characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must not have fewer than {min_length} entries",
    "tuple_type": "expected a list (`[a, b]`)",
    "value_error": "{error}",
}
"""By pydantic's type of error; {words} in braces are figures that come with it."""
QUOTED = (bool, int, float)
"""What YAML makes of text that looks like something else: `on`, `2026`."""


def explain(kind: type[BaseModel], errors: Iterable[ErrorDetails]) -> list[tuple[tuple[str | int, ...], str]]:
    """Where every wrong setting is, and a line about it.

    Args:
        kind: the group of settings that was to be made.
        errors: what pydantic found; where a setting may be of several kinds, it has found something about each.
    """
    found: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for detail in errors:
        found.setdefault(_place(kind, detail["loc"]), []).append(detail)
    return [(place, _line(kind, place, details)) for place, details in found.items()]


def shown(value: object) -> str:
    """A value as a message quotes it: never long."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return f"a group of {len(value)} settings" if value else "an empty group"
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def _place(kind: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """pydantic's location without its words for the branches of a choice: `str`, `list[...]`, `[key]`."""
    place: list[str | int] = []
    group: type[BaseModel] | None = kind
    names = False
    for part in loc:
        if isinstance(part, int) or group is not None or (names and part != "[key]"):
            place.append(part)
        if isinstance(part, str) and group is not None:
            field = group.model_fields.get(part)
            names = field is not None and get_origin(field.annotation) is dict
            group = _group_in(field.annotation) if field else None
    return tuple(place)


def group_at(kind: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel]:
    """The group of settings at a place."""
    for part in place:
        if isinstance(part, str):
            kind = _group_in(kind.model_fields[part].annotation) or kind
    return kind


def _group_in(annotation: Any) -> type[BaseModel] | None:
    """The group that a setting's type is, or that it is a list of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_group_in, get_args(annotation))), None)


def _line(kind: type[BaseModel], place: tuple[str | int, ...], details: list[ErrorDetails]) -> str:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return f"no such setting ({there_are(place[-1], group_at(kind, place[:-1]).model_fields)})"
    if first["type"] == "missing":
        return "is missing"
    said = " or ".join(dict.fromkeys(_words(detail) for detail in details))
    value = first["input"]
    if not place or (first["type"] == "value_error" and isinstance(value, Mapping)):
        return said
    hint = ": put it in quotes" if first["type"] == "string_type" and isinstance(value, QUOTED) else ""
    meant = did_you_mean(value, re.findall("'([^']*)'", said)) if first["type"] == "literal_error" else ""
    return f"{said}, got {shown(value)}{hint}{f' ({meant.strip()})' if meant else ''}"


def _words(detail: ErrorDetails) -> str:
    words = WORDS.get(detail["type"])
    return words.format(**detail.get("ctx", {})) if words else detail["msg"]
