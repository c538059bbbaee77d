"""Read YAML and JSON that anybody may have written: what cannot be read is one short problem, found quickly.

What clipgap writes of itself and must read back as it was is `sealed`: a first line says so, and the last one is a hash
of those between. A file that was cut, even at the end of a line, or changed, is then told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import yaml

LONGEST = 2_000_000
"""Characters of YAML: more than any config has, few enough to be read in seconds."""
MOST = 100_000
"""Values of a YAML text with every alias written out."""
DIGITS = 1000
"""Letters of a number in YAML: `1:1:1`, to the base of 60, takes the square of its length to be read."""

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

SEALED, SEAL = "# written by clipgap; to use it as a file of your own, remove this line\n", "# sha256 "
"""The first line of a sealed text, and how its last one begins."""


class UnreadableError(ValueError):
    """A text is no YAML or JSON, or more than any of ours holds: says why, and in which line where that is known."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line

    @property
    def place(self) -> str:
        """`, line 3`, to be put behind a file's name; empty where no line is known."""
        return f", line {self.line}" if self.line else ""


def parse_yaml(text: str, *, as_texts: bool = False) -> Any:
    """The plain values in a YAML text. Keys that are there twice are refused, as YAML's own rule says.

    Args:
        text: YAML.
        as_texts: every value as the text that it is, so that a class may be named `no`; and as many as there are.

    Raises:
        UnreadableError: it is not YAML, or, without `as_texts`, its aliases stand for more than a config can hold.
    """
    if len(text) > LONGEST and not as_texts:
        raise UnreadableError(f"{len(text)} characters; the most is {LONGEST}")
    _require_whole(text)
    try:
        return yaml.load(text, _Texts if as_texts else _Values)  # noqa: S506 (both are safe: no tag makes an object)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        tab = "'\\t'" in (error.problem or "")
        problem = "a tab where spaces belong" if tab else error.problem or "not YAML"
        raise UnreadableError(problem, mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise UnreadableError(str(error).splitlines()[0]) from None
    except RecursionError:
        raise UnreadableError("nested too deeply") from None
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:  # `2026-13-01`, `!!bool 1`
        raise UnreadableError(f"a value cannot be read: {error}") from None


def sealed(text: str) -> str:
    """A YAML text, ended by a line's end, that `parse_yaml` reads back only as long as it is whole and unchanged."""
    return f"{SEALED}{text}{_seal(text)}"


def _seal(text: str) -> str:
    return f"{SEAL}{hashlib.sha256(text.encode()).hexdigest()}\n"


def _require_whole(text: str) -> None:
    if text.startswith(SEALED):
        body, seal, _ = text.removeprefix(SEALED).rpartition(SEAL)
        if not seal or not text.endswith(_seal(body)):
            raise UnreadableError("cut short, damaged or changed since clipgap wrote it")


def parse_json(text: str | bytes) -> Any:
    """The plain values in a JSON text.

    Raises:
        UnreadableError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(error.msg, error.lineno) from None
    except RecursionError:
        raise UnreadableError("nested too deeply") from None
    except ValueError:
        raise UnreadableError("a number of thousands of digits") from None


class _KeysOnce(yaml.constructor.BaseConstructor):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                continue
            if key.value in first:
                problem = f"{key.value!r} is there twice, first in line {first[key.value] + 1}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            first[key.value] = key.start_mark.line
        return super().construct_mapping(node, deep)


class _Texts(_KeysOnce, yaml.BaseLoader):
    pass


class _Values(_KeysOnce, yaml.SafeLoader):
    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _written_out(node, {}) > MOST:
            problem = f"its aliases (*) stand for more than {MOST} values"
            raise yaml.composer.ComposerError(None, None, problem, None)
        return node


def _written_out(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many values a node is with its aliases written out; `sizes` knows those that were looked at, 0: half-way."""
    if id(node) not in sizes:
        sizes[id(node)] = 0
        if node.tag in NUMBERS and len(node.value) > DIGITS:
            raise yaml.composer.ComposerError(None, None, "a number of thousands of digits", node.start_mark)
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        inner = [part for pair in pairs for part in pair]
        inner += node.value if isinstance(node, yaml.SequenceNode) else []
        sizes[id(node)] = 1 + sum(_written_out(part, sizes) for part in inner)
    elif not sizes[id(node)]:
        raise yaml.composer.ComposerError(None, None, "an alias (*) stands for what it is in", node.start_mark)
    return sizes[id(node)]
