"""The text tower: a compact Transformer over tokens, whose answer does not depend on how far the captions are padded.

Dimensions: B captions, L positions, T rows of a packed batch, D width.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from concord.models.operators import on_cpu
from concord.models.transformer import Activation, Block, Packing, check_heads, initialize
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
        activation: that of the MLPs.
        norm_eps: what the layer norms add to the variance.
        pad_id: None keeps padding out of sight. The id of the padding makes it part of the text, as published models have it:
            a bidirectional tower sees each caption filled up to the context length, and "last" is the last place (SigLIP);
            a class token comes behind one padding token, sees it, and does not see itself (CoCa as OpenCLIP has it).

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
        activation: Activation = "gelu",
        norm_eps: float = 1e-5,
        pad_id: int | None = None,
    ) -> None:
        super().__init__()
        check_heads(width, heads)
        for name, value in (("vocab_size", vocab_size), ("context_length", context_length), ("depth", depth)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if pooling not in get_args(TextPooling):
            raise ValueError(f"pooling must be one of {', '.join(get_args(TextPooling))}, got {pooling!r}")
        if pad_id is not None and (pooling == "end" or not 0 <= pad_id < vocab_size):
            raise ValueError(f"pad_id must lie in [0, vocab_size = {vocab_size}), or be None for pooling 'end', got {pad_id}")
        self.vocab_size = vocab_size
        self.context_length = context_length
        self.width = width
        self.pooling = pooling
        self.causal = pooling in ("end", "class")
        self.packing = True  # whether padding may be skipped
        self.pad_id = pad_id
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(context_length, width))
        # The class token keeps one place, whatever the length of the caption: its position is part of it.
        self.class_embedding = nn.Parameter(torch.empty(width)) if pooling == "class" else None
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio, activation, norm_eps) for _ in range(depth))
        self.norm = nn.LayerNorm(width, norm_eps)
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
            return self._pool(tokens) if self.pad_id is None else self._fill_up(tokens, self.pad_id)
        if self.pad_id is None:
            return self._with_class_token(tokens, self.class_embedding)
        return self._behind_padding(tokens, self.class_embedding, self.pad_id)

    def _embed(self, ids: Tensor) -> Tensor:
        return self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]

    def _encode(self, x: Tensor, mask: Tensor, visible: Tensor | None = None) -> Tensor:
        """Run the blocks on [B, L, D]; what comes out at padding has no meaning.

        `visible` [B, 1, L, L] says who sees whom; None leaves it to causality, or to the mask.
        """
        causal = self.causal and visible is None
        if not self.causal:
            visible = mask[:, None, None]
        packing = Packing.of(mask) if self.packing and packs(mask) else None
        if packing is not None:
            x = packing.pack(x)
        for block in self.blocks:
            x = block(x, packing, visible, causal)
        return x if packing is None else packing.unpack(x)

    def _pool(self, tokens: Tokens) -> Features:
        x = self.norm(self._encode(self._embed(tokens.ids), tokens.mask)) * tokens.mask[..., None]
        if self.pooling == "mean":
            pooled = x.sum(dim=1) / tokens.mask.sum(dim=1, keepdim=True)
        elif self.pooling == "first":
            pooled = x[:, 0]
        else:
            pooled = _at(x, tokens.end)
        return Features(pooled, x, tokens.mask)

    def _fill_up(self, tokens: Tokens, pad_id: int) -> Features:
        """Captions of the whole context, whose padding counts as tokens."""
        ids = self._padded(tokens, self.context_length, pad_id)
        full = self._pool(Tokens(ids, torch.ones_like(ids, dtype=torch.bool)))
        return Features(full.pooled, full.tokens[:, : tokens.ids.shape[1]] * tokens.mask[..., None], tokens.mask)

    @staticmethod
    def _padded(tokens: Tokens, length: int, pad_id: int) -> Tensor:
        """The ids [B, length], with this id wherever there is no token."""
        return F.pad(tokens.ids.masked_fill(~tokens.mask, pad_id), (0, length - tokens.ids.shape[1]), value=pad_id)

    def _with_class_token(self, tokens: Tokens, class_embedding: Tensor) -> Features:
        # Right behind each caption's end, where causality alone lets it see all real tokens and nothing else see it.
        place = tokens.end + 1
        rows = torch.arange(place.shape[0], device=place.device)
        x = F.pad(self._embed(tokens.ids), (0, 0, 0, 1)).index_put((rows, place), class_embedding.expand(place.shape[0], -1))
        mask = F.pad(tokens.mask, (0, 1)).index_put((rows, place), torch.ones_like(place, dtype=torch.bool))
        x = self._encode(x, mask)
        return Features(self.norm(_at(x, place)), x[:, :-1] * tokens.mask[..., None], tokens.mask)

    def _behind_padding(self, tokens: Tokens, class_embedding: Tensor, pad_id: int) -> Features:
        """OpenCLIP shifts its mask of padding by one place: a key is hidden where the token before it is padding."""
        length = tokens.ids.shape[1]
        ids = self._padded(tokens, min(length + 1, self.context_length), pad_id)
        x = torch.cat([self._embed(ids), class_embedding.expand(ids.shape[0], 1, -1)], dim=1)
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        keys = F.pad(ids != pad_id, (1, 0), value=True)
        x = self._encode(x, torch.ones_like(keys), causal & keys[:, None, None])
        return Features(self.norm(x[:, -1]), x[:, :length] * tokens.mask[..., None], tokens.mask)

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
    return on_cpu(mask) and not torch.compiler.is_compiling()


def _at(x: Tensor, place: Tensor) -> Tensor:
    """x[b, place[b]], [B, D]."""
    return x[torch.arange(place.shape[0], device=place.device), place]
