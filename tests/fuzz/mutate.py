"""Plain changes of good inputs, the same for the same seed: for where nothing guides them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

NUMBERS = (b"-1", b"0", b"1e400", b"-1e308", b"nan", b"inf", b"1e-320", b"9" * 5000, b"2147483648", b"0x1f", b"1_0")
TEXTS = (b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\n", b"\x1b[31m", b"[/]", b"..", b"../" * 2000, b"\xe2\x80\xa8")


def mutations(seeds: Sequence[bytes], words: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """The seeds themselves, then as many changed ones."""
    yield from seeds
    draw = random.Random(seed)
    for _ in range(count):
        data = draw.choice(seeds)
        for _ in range(draw.choice((1, 1, 2, 3, 8))):
            data = draw.choice(CHANGES)(data, draw, (*words, *TEXTS), seeds)
        yield data


def _flip(data: bytes, draw: random.Random, *_: object) -> bytes:
    if not data:
        return data
    place = draw.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]


def _byte(data: bytes, draw: random.Random, *_: object) -> bytes:
    place = draw.randrange(len(data) + 1)
    return data[:place] + bytes([draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))]) + data[place + 1 :]


def _cut(data: bytes, draw: random.Random, *_: object) -> bytes:
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:start] if draw.random() < 0.3 else data[:start] + data[end:]


def _repeat(data: bytes, draw: random.Random, *_: object) -> bytes:
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    times = draw.choice((2, 2, 10, 1000)) if end - start < 20 else 2
    return data[:start] + data[start:end] * times + data[end:]


def _word(data: bytes, draw: random.Random, words: Sequence[bytes], _: object) -> bytes:
    place = draw.randrange(len(data) + 1)
    return data[:place] + draw.choice(words) + data[place:]


def _number(data: bytes, draw: random.Random, *_: object) -> bytes:
    found = list(re.finditer(rb"-?\d[\d.]*", data))
    if not found:
        return data
    start, end = draw.choice(found).span()
    return data[:start] + draw.choice(NUMBERS) + data[end:]


def _token(data: bytes, draw: random.Random, words: Sequence[bytes], _: object) -> bytes:
    """A word in place of another."""
    found = list(re.finditer(rb"\w+", data))
    if not found:
        return data
    start, end = draw.choice(found).span()
    return data[:start] + draw.choice(words) + data[end:]


def _splice(data: bytes, draw: random.Random, _: object, seeds: Sequence[bytes]) -> bytes:
    other = draw.choice(seeds)
    return data[: draw.randrange(len(data) + 1)] + other[draw.randrange(len(other) + 1) :]


CHANGES = (_flip, _byte, _cut, _repeat, _word, _number, _token, _splice)
