"""VOC: an annotation file."""

from __future__ import annotations

from pathlib import Path

from tests.datasets import data_config, make_voc, voc_xml
from tests.fuzz.look import look
from tests.fuzz.target import Target

CAR, PERSON = ("car", (1, 1, 20, 10)), ("person", (5, 5, 40, 20))
LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))


def seeds() -> list[bytes]:
    whole = voc_xml([CAR, PERSON], filename="a.png")
    marked = voc_xml([CAR]).replace("<bndbox>", "<difficult>1</difficult><truncated>0</truncated><bndbox>")
    texts = [
        whole,
        marked,
        voc_xml(),
        voc_xml([CAR], size=None),
        f'<?xml version="1.0" encoding="utf-8"?>\n{whole}',
        f"<!DOCTYPE annotation SYSTEM 'voc.dtd'>{whole}",
        f'<!DOCTYPE a [<!ENTITY a0 "ha">{LAUGHS}]><annotation><filename>&a9;</filename></annotation>',
        f"<annotation>{'<part>' * 1000}</annotation>",
    ]
    return [*(text.encode() for text in texts), whole.encode("utf-16")]


def read(data: bytes, folder: Path) -> None:
    (folder / "Annotations/a.xml").write_bytes(data)
    look(data_config(folder, "voc", train="all"))


VOC = Target(
    "voc",
    seeds,
    read,
    lambda folder: make_voc(folder, {"a": []}),
    (
        b"<object>",
        b"</object>",
        b"<name>",
        b"<bndbox>",
        b"<xmin>",
        b"<size>",
        b"<difficult>",
        b"<filename>",
        b"<![CDATA[",
        b"]]>",
        b"&#0;",
        b"&#8232;",
        b"&#27;",
        b"<!DOCTYPE a [",
        b'<!ENTITY a "b">',
        b"&a;",
        b'<?xml version="1.0" encoding="utf-7"?>',
        b"<!--",
        b"xmlns:a='b'",
    ),
)
