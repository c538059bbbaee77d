"""Step one as a plain loop that does what the authors' code does: the yardstick for ours.

For every prompt of every step the text embeddings and z are computed again, the objective is one sum over all prompts
whose graphs are kept until its backward pass, and the weights of layer4 and the pooling collect gradients that nobody
uses. The attention pooling is OpenAI's: one query, all keys and values projected.
Written from METHOD, section 3, not from their code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip import AttentionPool, Clip, set_batch_norm
from clipgap.prompts import PromptSet


class PlainFit:
    """Offsets fitted the plain way."""

    def __init__(self, clip: Clip, prompts: PromptSet, lr: float) -> None:
        self.clip, self.prompts = clip, prompts
        set_batch_norm(clip.model.visual, "frozen")
        clip.roi_part.requires_grad_(True)
        tower = clip.spec.tower
        shape = (len(prompts.targets), tower.c4_channels, tower.roi_size, tower.roi_size)
        self.offsets = nn.Parameter(torch.zeros(shape))
        self.optimizer = torch.optim.Adam([self.offsets], lr=lr)

    def step(self, crops: Tensor) -> tuple[float, float]:
        """One step over all prompts; the mean direction and l1 losses before it."""
        with torch.no_grad():
            features = self.clip.trunk(crops)
        self.optimizer.zero_grad()
        self.clip.roi_part.zero_grad()
        total = torch.zeros(2)
        for j, target in enumerate(self.prompts.targets):
            text = self.clip.embed_text([self.prompts.source, target])
            goal_direction = F.normalize(text[1] - text[0], dim=0)
            with torch.no_grad():
                z = self.embed(features)
            moved = self.embed(features + self.offsets[j])
            direction = (1 - F.cosine_similarity(moved, F.normalize(z + goal_direction, dim=-1))).mean()
            l1 = F.l1_loss(moved, z)
            total = total + torch.stack([direction, l1])
        (total.sum() / (len(self.prompts.targets) + 1)).backward()
        self.optimizer.step()
        direction_loss, l1_loss = (total.detach() / len(self.prompts.targets)).tolist()
        return direction_loss, l1_loss

    def embed(self, features: Tensor) -> Tensor:
        """C4 features -> unit image embeddings."""
        pool = self.clip.roi_part.pool
        assert isinstance(pool, AttentionPool)
        return F.normalize(openai_attention_pool(pool, self.clip.roi_part.layer4(features)), dim=-1)


def openai_attention_pool(pool: AttentionPool, features: Tensor) -> Tensor:
    """OpenAI's attention pooling: torch's own multi-head attention with the mean token as the one query."""
    tokens = features.flatten(2).permute(2, 0, 1)
    tokens = torch.cat([tokens.mean(0, keepdim=True), tokens]) + pool.positional_embedding[:, None]
    pooled, _ = F.multi_head_attention_forward(
        query=tokens[:1],
        key=tokens,
        value=tokens,
        embed_dim_to_check=tokens.shape[-1],
        num_heads=pool.num_heads,
        in_proj_weight=None,
        in_proj_bias=torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=pool.c_proj.weight,
        out_proj_bias=pool.c_proj.bias,
        use_separate_proj_weight=True,
        q_proj_weight=pool.q_proj.weight,
        k_proj_weight=pool.k_proj.weight,
        v_proj_weight=pool.v_proj.weight,
        need_weights=False,
    )
    return pooled[0]
