"""From a module to a file with an ONNX graph, and back to numbers: what all forms of an export share."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clipgap.errors import ClipgapError, WeightsError
from clipgap.files import write_then_rename

MISSING = "ONNX needs more packages: pip install 'clipgap[onnx]'"


def onnxruntime() -> Any:
    """The package.

    Raises:
        ClipgapError: it is not installed.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise ClipgapError(MISSING) from None


def write_graph(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    file: Path,
    names: tuple[Sequence[str], Sequence[str]],
    free: dict[str, Any],
    operators: dict[Any, Callable[..., Any]] | None = None,
) -> None:
    """One graph, weights inside. What the exporter says is nothing that our callers could act on.

    Args:
        module: what is traced.
        inputs: for one run of it.
        file: where to.
        names: of inputs and of outputs.
        free: by the name of `forward`'s argument, its axes of any length, with what they are called.
        operators: our own, with what they are in ONNX.
    """
    write = partial(
        torch.onnx.export,
        module,
        inputs,
        input_names=list(names[0]),
        output_names=list(names[1]),
        dynamic_shapes=free,
        dynamo=True,
        external_data=False,
        custom_translation_table=operators,
    )
    try:
        with quiet():
            write_then_rename(file, write)
    except ImportError:
        raise ClipgapError(MISSING) from None


def session_of(file: Path, threads: int = 0) -> Any:
    """A graph in ONNX Runtime, ready to run; `threads` 0: one a core.

    Raises:
        WeightsError: the file is none that it reads.
    """
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(file, options, providers=runtime.get_available_providers())
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's own kinds have no common base that is public)
        raise WeightsError(
            f"{file}: not a graph that ONNX Runtime reads ({' '.join(str(error).split())[:200]})"
        ) from None


def difference(module: nn.Module, file: Path, *inputs: Tensor) -> float:
    """The largest between ONNX Runtime's numbers and PyTorch's, as a part of each output's largest number."""
    session = session_of(file)
    named = dict(zip([one.name for one in session.get_inputs()], [one.numpy() for one in inputs], strict=True))
    pairs = zip(module(*inputs), map(torch.from_numpy, session.run(None, named)), strict=True)
    return max(float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-12)) for ours, theirs in pairs)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing of what the exporter and ONNX Runtime say as they work."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        said = io.StringIO()  # whole graphs, of some models
        with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
