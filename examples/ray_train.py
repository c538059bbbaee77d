"""Step two by Ray: its TorchTrainer starts the processes, on one machine or on many, and clipgap trains in them.

    pip install "ray[train]"
    python examples/ray_train.py CONFIG PROCESSES [KEY=VALUE ...]

All processes write and read the same folders: a shared file system, where they are on several machines.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer


def train(asked: dict[str, Any]) -> None:
    """What every process does: Ray has set the variables of torchrun."""
    import clipgap

    os.chdir(asked["folder"])
    os.environ["TORCHELASTIC_RUN_ID"] = "ray"  # by which a process knows that it was started with others
    devices = f"run.devices={os.environ['LOCAL_WORLD_SIZE']}"
    clipgap.train(clipgap.load_config(asked["config"], [*asked["settings"], devices]))


if __name__ == "__main__":
    config, processes, *settings = sys.argv[1:]
    asked = {"config": config, "settings": settings, "folder": os.getcwd()}
    TorchTrainer(train, train_loop_config=asked, scaling_config=ScalingConfig(num_workers=int(processes))).fit()
