"""What a run computes on (Fabric), how it reports on itself, and what is written down about the machine."""

from __future__ import annotations

import os
import platform
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from lightning_fabric.strategies.ddp import DDPStrategy

from clipgap.config import BatchNorm, RunSection
from clipgap.data import DetectionDataset
from clipgap.engine.progress import log
from clipgap.errors import ConfigError
from clipgap.group import Group

PACKAGES = ("clipgap", "torch", "torchvision", "open_clip_torch", "lightning-fabric", "supervision", "numpy", "pillow")
PATIENCE = timedelta(days=1)
"""How long processes wait for each other: one may have a long video. Those that have ended are told at once."""
T = TypeVar("T")
R = TypeVar("R")


class BoxKeepingPrecision(MixedPrecision):
    """Autocast that leaves the inputs alone: Fabric's would round boxes to half precision, steps of 8 px at 1024."""

    def convert_input(self, data: Any) -> Any:
        """The batch as it is."""
        return data


def make_fabric(run: RunSection) -> Fabric:
    """Device, precision and processes as the settings ask.

    Raises:
        ConfigError: the device is not on this machine, or torchrun has started another number of processes.
    """
    if run.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for
        torch.use_deterministic_algorithms(True)
    started = int(os.environ["LOCAL_WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else run.devices
    if started != run.devices:
        raise ConfigError(
            f"run.devices={run.devices}, but torchrun has started {started} processes here: "
            f"`--set run.devices={started}`, or as many as run.devices by --nproc-per-node"
        )
    accelerator = run.device
    if run.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("run.device=cuda: no CUDA device here (`clipgap doctor` says more); set run.device=cpu")
    if run.device == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("run.device=mps: no Apple GPU here; set run.device=cpu")
    gpus = torch.cuda.device_count() if accelerator in ("auto", "cuda") else 0
    if gpus and run.devices > gpus:
        raise ConfigError(f"run.devices={run.devices}: there are {gpus} GPUs here; set run.devices={gpus}")
    machines = _machines()
    processes: dict[str, Any] = {"accelerator": accelerator, "devices": run.devices, "num_nodes": machines}
    processes["strategy"] = DDPStrategy(timeout=PATIENCE) if run.devices * machines > 1 else "auto"
    whole = Fabric(**processes)
    if run.precision == "32-true":
        return whole
    kind = whole.device.type  # what Fabric makes of auto: it knows Apple's GPUs too
    if run.precision == "16-mixed" and kind == "cpu":
        raise ConfigError("run.precision=16-mixed: a CPU has none; set bf16-mixed or 32-true")
    precision = BoxKeepingPrecision(run.precision, kind)
    return Fabric(**processes, plugins=precision)


def _machines() -> int:
    """How many machines torchrun or SLURM's srun has started this job's processes on."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["WORLD_SIZE"]) // int(os.environ["LOCAL_WORLD_SIZE"])
    return int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))  # of srun, not of the batch script around it


@dataclass(frozen=True)
class Place:
    """Where a process computes, and with whom."""

    device: torch.device
    group: Group


def take_place(run: RunSection) -> Place:
    """Begin the processes that the settings ask for; each goes on from here.

    Raises:
        ConfigError: as `make_fabric`.
    """
    fabric = make_fabric(run)
    fabric.launch()
    return Place(fabric.device, group_of(fabric))


def on_cpu(run: RunSection) -> RunSection:
    """The settings for an exported detector: a config's own device is that of the one that was trained."""
    return run.model_copy(update={"device": "cpu"})


def group_of(fabric: Fabric, views: int = 1) -> Group:
    """The processes that Fabric has launched, with so many views of every image in a batch."""
    return Group(fabric.global_rank, fabric.world_size, views)


def pick_device(run: RunSection) -> torch.device:
    """The one device that the settings ask for.

    Raises:
        ConfigError: as `make_fabric`.
    """
    return make_fabric(run.model_copy(update={"devices": 1})).device


def tell_own_statistics(batch_norm: BatchNorm, group: Group) -> None:
    """Say where several processes do not do what one with all of their images would."""
    if batch_norm == "train" and group.size > 1 and group.main:
        said = "every process takes its statistics of its own images; with frozen it is as one with all would"
        log.print(f"warning: batch_norm=train: {said}", style="yellow")


def tell_warnings(name: str, dataset: DetectionDataset) -> None:
    """Say how many of a split's boxes or images were put right or left out."""
    if dataset.faults:
        log.print(
            f"{name}: {len(dataset.faults)} warnings about its data; `clipgap data check` tells them", style="yellow"
        )


def environment_record() -> dict[str, Any]:
    """Versions, machine and command: what somebody needs who wants the same numbers."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "packages": {name: version_of(name) for name in PACKAGES},
    }


def version_of(package: str) -> str | None:
    """The installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int = 2) -> Iterator[R]:
    """`function` of every item, in order, worked out in threads a few items ahead of who asks."""
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
