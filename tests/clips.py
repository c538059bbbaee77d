"""CLIPs and files of weights that tests make for themselves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from open_clip.model import CLIPTextCfg
from torch import Tensor, nn

from clipgap.clip import Clip, ClipSpec, ModifiedResNetSpec
from clipgap.clip.tower import redraw_norms

TINY = ClipSpec(
    ModifiedResNetSpec(embed_dim=32, image_size=64, layers=(1, 1, 2, 1), width=8),
    CLIPTextCfg(context_length=77, vocab_size=49408, width=64, heads=1, layers=2),
    quick_gelu=True,
)


def make_clip(spec: ClipSpec = TINY, seed: int = 0) -> Clip:
    """A CLIP with random weights as METHOD, section 2, defines them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = spec.build()
    redraw_norms(model.visual, torch.Generator().manual_seed(seed))
    text = model.text if spec.tower.custom_text else model
    for name, parameter in text.transformer.named_parameters():
        if "mlp" in name:  # loud enough for the activation to be heard
            parameter.data.mul_(3 if "c_fc" in name else 30)
    return Clip(model, spec, "tiny", f"random (seed {seed})")


def openai_state(clip: Clip) -> dict[str, Tensor]:
    """The state dict of OpenAI's download: half precision where OpenAI's is, and three numbers beside the weights."""
    state = clip.model.state_dict()
    marks = {
        "input_resolution": clip.spec.tower.image_size,
        "context_length": clip.spec.text.context_length,
        "vocab_size": clip.spec.text.vocab_size,
    }
    halved = {name: t.half() if t.ndim > 1 and "embedding" not in name else t for name, t in state.items()}
    return halved | {name: torch.tensor(number) for name, number in marks.items()}


def save_torchscript(state: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as attributes of nested script modules: the form of OpenAI's downloads."""

    class Node(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    root = Node()
    for name, tensor in state.items():
        *parents, leaf = name.split(".")
        node: nn.Module = root
        for parent in parents:
            if parent not in dict(node.named_children()):
                node.add_module(parent, Node())
            node = node.get_submodule(parent)
        if tensor.is_floating_point() and "running" not in leaf:
            node.register_parameter(leaf, nn.Parameter(tensor.clone(), requires_grad=False))
        else:
            node.register_buffer(leaf, tensor.clone())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that TorchScript is old: so are these files
        torch.jit.save(torch.jit.script(root), str(path))
