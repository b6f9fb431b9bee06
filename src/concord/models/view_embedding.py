"""ViewEmbedding: what a model may know of a radiograph beside its pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from concord.types import VIEW_POSITIONS, Features


class ViewEmbedding(nn.Module):
    """A learned vector for each view position, added to the pooled vector and to the tokens of an image tower.

    Reports are about studies: a frontal and a lateral picture of one study share their report and look nothing alike. The vectors
    start at zero, which is the model without them; that of the unknown position stays there.

    Args:
        width: D of the image tower.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(len(VIEW_POSITIONS), width, padding_idx=0)
        nn.init.zeros_(self.vectors.weight)

    def forward(self, features: Features, positions: Tensor | None) -> Features:
        """The features of B pictures, each with the vector of its position.

        Args:
            positions: [B] int64, places in `concord.types.VIEW_POSITIONS`; None where no picture says its own.
        """
        count, device = features.pooled.shape[0], features.pooled.device
        if positions is None:
            positions = torch.zeros(count, dtype=torch.int64, device=device)
        vectors = self.vectors(positions)
        return Features(features.pooled + vectors, features.tokens + vectors[:, None], features.mask)
