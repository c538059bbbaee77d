"""A loop of your own in plain torch: a Detector is a torchvision model, four losses in training and boxes otherwise.

python examples/own_loop.py CONFIG FOLDER [KEY=VALUE ...]
"""

from __future__ import annotations

import sys

import torch

import clipgap
from clipgap.data import resize, to_tensor
from clipgap.detector import DetectorSpec

file, folder, *settings = sys.argv[1:]
config = clipgap.load_config(file, settings)
torch.manual_seed(config.run.seed)
clip = clipgap.load_clip(config.clip)
spec = DetectorSpec(
    classes=config.data.classes,
    tower=clip.tower_spec,
    description=f"{clip}; a loop of our own",
    batch_norm=config.batch_norm,
    image=config.image,
    detector=config.detector,
)
detector = clipgap.Detector.from_clip(clip, spec, config.data.prompts).train()
dataset = clipgap.load_domains(config.data).source.train
assert dataset is not None
trained = [parameter for parameter in detector.parameters() if parameter.requires_grad]
optimizer = torch.optim.SGD(trained, config.train.lr, momentum=config.train.momentum)
for step in range(config.train.steps):
    chosen = torch.randint(len(dataset), (config.train.batch_size,)).tolist()
    samples = [resize(dataset[place], config.image.short_side, config.image.long_side) for place in chosen]
    targets = [{key: sample.target[key] for key in ("boxes", "labels")} for sample in samples]
    losses = detector([to_tensor(sample.image) for sample in samples], targets)
    optimizer.zero_grad()
    sum(losses.values()).backward()
    optimizer.step()
    print(step + 1, {name: round(float(loss.detach()), 3) for name, loss in losses.items()})
detector.eval().save(folder)
print(f"clipgap evaluate {folder} --config {file}")
