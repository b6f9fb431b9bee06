"""The largest batch that training may meet: captions that fill the context, all views at full size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from concord.types import Batch, ImageView, TextView, Tokens


@dataclass(frozen=True)
class BatchShape:
    """What the views of a pair look like.

    Args:
        images: by name, the view and the side of its pictures in pixels.
        texts: by name.
        length: L, tokens of the longest caption.
        vocabulary: number of token ids.
        channels: of the pictures.
    """

    images: Mapping[str, tuple[ImageView, int]]
    texts: Mapping[str, TextView]
    length: int
    vocabulary: int
    channels: int = 3

    def make(self, pairs: int) -> Batch:
        """A batch of so many pairs of noise, drawn from PyTorch's global generator."""
        images = {
            name: torch.randint(256, _rows(pairs, view.count, self.channels, side, side), dtype=torch.uint8)
            for name, (view, side) in self.images.items()
        }
        counts = {name: view.count for name, view in self.texts.items()}
        texts = {name: self._tokens(_rows(pairs, count, self.length)) for name, count in counts.items()}
        valid = {name: torch.ones(_rows(pairs, count), dtype=torch.bool) for name, count in counts.items()}
        names = [f"largest/{index}" for index in range(pairs)]
        numbers = torch.arange(pairs)
        groups = {name: numbers[:, None].expand(pairs, count).squeeze(1).contiguous() for name, count in counts.items()}
        return Batch(names, images, texts, valid, ["largest"] * pairs, {"study": numbers, **groups})

    def _tokens(self, shape: tuple[int, ...]) -> Tokens:
        return Tokens(torch.randint(self.vocabulary, shape), torch.ones(shape, dtype=torch.bool))


def _rows(pairs: int, count: int, *rest: int) -> tuple[int, ...]:
    """A view with one draw has no axis for its draws."""
    return (pairs, *rest) if count == 1 else (pairs, count, *rest)
