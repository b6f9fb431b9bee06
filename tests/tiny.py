"""A dual encoder of a few hundred weights, and batches for it: real similarities and projections on towers that are one layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import Similarity
from concord.types import VIEW_POSITIONS, Batch, Features, Tokens

WIDTH, EMBED_DIM, VOCABULARY, LONGEST = 6, 5, 30, 7


class PatchTower(nn.Module):
    """One linear layer on the four quarters of an image [B, 3, 4, 4]."""

    width = WIDTH
    patch_size = 2
    supports_masking = False

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(12, WIDTH)

    def forward(self, images: Tensor) -> Features:
        quarters = images.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).reshape(len(images), 4, 12)
        tokens = self.embed(quarters.to(self.embed.weight.dtype) / 255 - 0.5)
        return Features(tokens.mean(dim=1), tokens)


class WordTower(nn.Module):
    """Word embeddings and their mean."""

    width = WIDTH
    vocab_size = VOCABULARY
    context_length = LONGEST

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)

    def forward(self, tokens: Tokens) -> Features:
        words = self.embed(tokens.ids)
        pooled = (words * tokens.mask[..., None]).sum(dim=1) / tokens.mask.sum(dim=1, keepdim=True)
        return Features(pooled, words, tokens.mask)


def tiny_model(similarity: Similarity, seed: int = 0, view_embedding: bool = False) -> DualEncoder:
    torch.manual_seed(seed)
    model = DualEncoder(PatchTower(), WordTower(), similarity, EMBED_DIM, view_embedding=view_embedding)  # type: ignore[arg-type]
    if model.view_embedding is not None:
        nn.init.normal_(model.view_embedding.vectors.weight[1:].detach())
    return model


def tiny_batch(pairs: int, seed: int = 0) -> Batch:
    """Random images, captions of 2 to 7 words, negatives, of which every third is missing, and pairs that belong together."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (pairs, 3, 4, 4), generator=generator, dtype=torch.uint8)
    texts = {view: _words(pairs, generator) for view in ("caption", "sentence", "negatives")}
    valid = torch.arange(pairs) % 3 != 0
    groups = {name: torch.randint(0, count, (pairs,), generator=generator) for name, count in (("caption", 3), ("study", pairs))}
    groups["sentence"] = groups["caption"]
    positions = torch.arange(pairs) % len(VIEW_POSITIONS)
    return Batch([str(i) for i in range(pairs)], {"image": images}, texts, {"negatives": valid}, groups=groups, view_positions=positions)


def _words(pairs: int, generator: torch.Generator) -> Tokens:
    lengths = torch.randint(2, LONGEST + 1, (pairs,), generator=generator)
    mask = torch.arange(LONGEST) < lengths[:, None]
    return Tokens(torch.randint(1, VOCABULARY, (pairs, LONGEST), generator=generator) * mask, mask)


def rows(batch: Batch, start: int, stop: int) -> Batch:
    """Some pairs of a batch, their captions cut to the longest among them."""
    part = slice(start, stop)
    texts = {}
    for view, tokens in batch.texts.items():
        longest = int(tokens.mask[part].sum(dim=-1).max())
        texts[view] = Tokens(tokens.ids[part, ..., :longest], tokens.mask[part, ..., :longest])
    valid = {view: mask[part] for view, mask in batch.valid.items()}
    groups = {name: numbers[part] for name, numbers in batch.groups.items()}
    images = {view: images[part] for view, images in batch.images.items()}
    positions = batch.view_positions[part] if batch.view_positions is not None else None
    return Batch(batch.keys[part], images, texts, valid, groups=groups, view_positions=positions)
