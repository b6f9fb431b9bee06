"""The text tower: a compact Transformer over tokens, whose answer does not depend on how far the captions are padded.

Dimensions: B captions, L positions, T rows of a packed batch, D width.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from concord.models.transformer import Block, Packing, check_heads, initialize
from concord.types import Features, Tokens

TextPooling = Literal["end", "class", "last", "first", "mean"]


class TextTower(nn.Module):
    """Pre-norm Transformer with learned positions, initialised as CLIP's (Radford et al. 2021).

    Args:
        vocab_size: number of token ids.
        context_length: the longest caption, in tokens.
        width: D, a multiple of `heads`.
        depth: number of blocks.
        heads: attention heads.
        pooling: what stands for the whole caption, and with it who sees whom.
            "end": the last real token of a causal tower (CLIP).
            "class": a learned token appended to a causal tower; it sees every real token and no token sees it. The tokens
            are then given without it and before the final norm, for a caption decoder (CoCa, Yu et al. 2022).
            "last", "first", "mean": of a bidirectional tower, over real tokens.
        mlp_ratio: hidden width of the MLPs over D.

    Features: pooled [B, D], after the final norm; tokens [B, L, D], zero at padding; mask [B, L] that of the input.
    """

    def __init__(
        self,
        vocab_size: int = 49408,
        context_length: int = 77,
        width: int = 512,
        depth: int = 12,
        heads: int = 8,
        pooling: TextPooling = "end",
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__()
        check_heads(width, heads)
        for name, value in (("vocab_size", vocab_size), ("context_length", context_length), ("depth", depth)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if pooling not in get_args(TextPooling):
            raise ValueError(f"pooling must be one of {', '.join(get_args(TextPooling))}, got {pooling!r}")
        self.vocab_size = vocab_size
        self.context_length = context_length
        self.width = width
        self.pooling = pooling
        self.causal = pooling in ("end", "class")
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(context_length, width))
        # The class token keeps one place, whatever the length of the caption: its position is part of it.
        self.class_embedding = nn.Parameter(torch.empty(width)) if pooling == "class" else None
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self._initialize(depth)

    def forward(self, tokens: Tokens) -> Features:
        """Encode captions.

        Raises:
            ValueError: captions longer than the context length.
        """
        length = tokens.ids.shape[-1]
        if length > self.context_length:
            raise ValueError(f"captions have {length} tokens and the text tower's context_length is {self.context_length}")
        if self.class_embedding is None:
            return self._pool(self.norm(self._encode(self._embed(tokens.ids), tokens.mask)), tokens)
        return self._with_class_token(tokens, self.class_embedding)

    def _embed(self, ids: Tensor) -> Tensor:
        return self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]

    def _encode(self, x: Tensor, mask: Tensor) -> Tensor:
        """Run the blocks on [B, L, D]; what comes out at padding has no meaning."""
        visible = None if self.causal else mask[:, None, None]
        packing = Packing.of(mask) if packs(mask) else None
        if packing is not None:
            x = packing.pack(x)
        for block in self.blocks:
            x = block(x, packing, visible, self.causal)
        return x if packing is None else packing.unpack(x)

    def _pool(self, x: Tensor, tokens: Tokens) -> Features:
        x = x * tokens.mask[..., None]
        if self.pooling == "mean":
            pooled = x.sum(dim=1) / tokens.mask.sum(dim=1, keepdim=True)
        elif self.pooling == "first":
            pooled = x[:, 0]
        else:
            pooled = _at(x, tokens.end)
        return Features(pooled, x, tokens.mask)

    def _with_class_token(self, tokens: Tokens, class_embedding: Tensor) -> Features:
        # Right behind each caption's end, where causality alone lets it see all real tokens and nothing else see it.
        place = tokens.end + 1
        rows = torch.arange(len(place), device=place.device)
        x = F.pad(self._embed(tokens.ids), (0, 0, 0, 1)).index_put((rows, place), class_embedding.expand(len(place), -1))
        mask = F.pad(tokens.mask, (0, 1)).index_put((rows, place), torch.ones_like(place, dtype=torch.bool))
        x = self._encode(x, mask)
        return Features(self.norm(_at(x, place)), x[:, :-1] * tokens.mask[..., None], tokens.mask)

    def _initialize(self, depth: int) -> None:
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        if self.class_embedding is not None:
            nn.init.normal_(self.class_embedding, std=0.01)
        initialize(self.blocks, self.width, depth)


def packs(mask: Tensor) -> bool:
    """Whether to skip padding in the layers that look at one token at a time.

    It pays where arithmetic is dear. On accelerators it would make the host wait for the device to count the tokens.
    """
    return mask.device.type == "cpu" and not torch.compiler.is_compiling()


def _at(x: Tensor, place: Tensor) -> Tensor:
    """x[b, place[b]], [B, D]."""
    return x[torch.arange(len(place), device=place.device), place]
