"""The networks of an exported graph with fewer bits; what chooses boxes keeps float32."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clipgap.export.form import Array
from clipgap.export.tracing import quiet
from clipgap.files import write_then_rename

PARTS = ("backbone", "heads.box_head")
"""Of `WholeDetector`, what computes in half precision in PyTorch too: a cosine times 100 and a box's corners need all
their digits."""
NEVER = frozenset({"Cast", "Constant", "ConstantOfShape"})
"""Operators whose type is written into them."""


def to_half(file: Path) -> None:
    """Trunk, layer4 and pooling in float16, in place.

    ONNX Runtime's own converter would round what every other node gives, too, on its way to the next.
    """
    import onnx_ir as ir

    model = ir.load(file)
    inside = {node for node in model.graph if _is_network(node.metadata_props) and node.op_type not in NEVER}
    halves: dict[Any, Any] = {}
    for node in list(model.graph):
        for place, value in enumerate(node.inputs):
            if value is None:
                continue
            if node in inside and value.dtype == ir.DataType.FLOAT:
                if value not in halves:
                    halves[value] = _half_of(value, node)
                node.replace_input_with(place, halves[value])
            elif node not in inside and value.producer() in inside and value.dtype == ir.DataType.FLOAT16:
                node.replace_input_with(place, _cast(value, ir.DataType.FLOAT, node))
        for value in node.outputs if node in inside else ():
            if value.dtype == ir.DataType.FLOAT:
                value.dtype = ir.DataType.FLOAT16
    for value in halves:
        if value.is_initializer() and not value.uses():
            del model.graph.initializers[value.name]
    write_then_rename(file, lambda path: ir.save(model, path))


def _half_of(value: Any, before: Any) -> Any:
    """A float32 value in float16: weights are kept so, others cast before a node."""
    import onnx_ir as ir

    if not value.is_initializer():
        return _cast(value, ir.DataType.FLOAT16, before)
    numbers = ir.tensor(value.const_value.numpy().astype(np.float16))
    half = ir.Value(name=f"{value.name}_half", const_value=numbers, shape=value.shape)
    half.type = ir.TensorType(ir.DataType.FLOAT16)
    before.graph.register_initializer(half)
    return half


def _cast(value: Any, to: Any, before: Any) -> Any:
    import onnx_ir as ir

    node = ir.node("Cast", [value], {"to": to})
    node.outputs[0].type = ir.TensorType(to)
    before.graph.insert_before(before, node)
    return node.outputs[0]


def to_int8(file: Path, calibration: Iterable[dict[str, Array]]) -> None:
    """Their convolutions in 8 bits, in place; scales are those of the largest numbers on images that are seen.

    Args:
        file: the graph.
        calibration: inputs of the graph, an image at a time.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.inputs: Iterator[dict[str, Array]] = iter(calibration)

        def get_next(self) -> dict[str, Array] | None:
            return next(self.inputs, None)

    nodes = onnx.load(file).graph.node
    inside = [node.name for node in nodes if _is_network({one.key: one.value for one in node.metadata_props})]
    with tempfile.TemporaryDirectory() as folder, quiet():
        small = Path(folder) / file.name
        quantize_static(
            file,
            small,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=inside,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        write_then_rename(file, lambda path: path.write_bytes(small.read_bytes()))


def _is_network(told: dict[str, str]) -> bool:
    """Whether the exporter made a node, of which this is told, of `PARTS`."""
    scopes = told.get("pkg.torch.onnx.name_scopes", "")
    return any(f"'{part}" in scopes for part in PARTS)
