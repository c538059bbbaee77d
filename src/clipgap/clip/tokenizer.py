"""From prompts to the tokens of a text tower: CLIP's own, or those of a tokenizer that comes with the weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import open_clip
import torch
from open_clip.model import CLIPTextCfg
from open_clip.tokenizer import HFTokenizer
from torch import Tensor

from clipgap.errors import ConfigError, one_line

EXTRA = "pip install 'clipgap[siglip]'"


class Tokenizer:
    """Prompts -> tokens (N, L).

    Args:
        text: the text tower's settings.
    """

    def __init__(self, text: CLIPTextCfg) -> None:
        self.text, self.length = text, text.context_length
        self.place = text.hf_tokenizer_name
        """Folder of a tokenizer of its own, or its name on the Hub; None: the tokenizer is CLIP's."""

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Tokens of prompts.

        Raises:
            ConfigError: a prompt is too long, or there is no tokenizer.
        """
        tokens, too_long = self._by_its_own(prompts) if self.place else self._by_clip(prompts)
        for prompt, long in zip(prompts, too_long.tolist(), strict=True):
            if long:
                raise ConfigError(
                    f"prompt {prompt[:60]!r}...: longer than the {self.length} tokens that CLIP reads; shorten it"
                )
        return tokens

    def _by_clip(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        tokens = open_clip.tokenize(list(prompts), context_length=self.length + 1)
        return tokens[:, : self.length], tokens[:, self.length] != 0

    def _by_its_own(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        found = self._own
        longer: Tensor = found(list(prompts), context_length=self.length + 1)
        ends = torch.tensor([found.tokenizer.pad_token_id, found.tokenizer.eos_token_id])
        tokens: Tensor = found(list(prompts))
        return tokens, ~torch.isin(longer[:, self.length - 1], ends)

    @cached_property
    def _own(self) -> Any:
        options = dict(self.text.tokenizer_kwargs or {})
        try:
            return HFTokenizer(str(self.place), context_length=self.length, **options)
        except ImportError:
            raise ConfigError(f"the tokenizer of this text tower needs the package transformers: {EXTRA}") from None
        except Exception as error:  # noqa: BLE001 (files, network, and what the Hub says of them)
            reason = one_line(str(error))[:120]
            raise ConfigError(
                f"{self.place}: the tokenizer is not on this machine and cannot be fetched "
                f"({reason}); name its folder (tokenizer.json and what is beside it on the Hub) with clip.tokenizer"
            ) from None
