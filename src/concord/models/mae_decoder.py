"""The decoder of a masked autoencoder (He et al. 2022): from the tokens of the visible patches to the pixels of all.

Dimensions: B images, n visible patches, P patches on a grid of R rows and Q columns, D decoder width, p patch side, C channels.
"""

from __future__ import annotations

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from concord.models.accelerate import accelerate


def sin_cos_positions(rows: int, columns: int, width: int, device: torch.device | None = None) -> Tensor:
    """Fixed 2-D positions [rows * columns, width], row-major; the first half of the channels encodes the column, the second the row.

    Raises:
        ValueError: if `width` is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"width must be a multiple of 4, got {width}")
    row, column = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return torch.cat([_sin_cos(column.flatten(), width // 2), _sin_cos(row.flatten(), width // 2)], dim=1)


def _sin_cos(positions: Tensor, width: int) -> Tensor:
    """[P] -> [P, width]: sines, then cosines, of wavelengths from 2 pi to 10000 * 2 pi."""
    frequencies = 10000.0 ** -(torch.arange(width // 2, dtype=torch.float64, device=positions.device) / (width // 2))
    angles = positions.to(torch.float64)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


class MAEDecoder(nn.Module):
    """A small ViT over all patches: visible ones carry the encoder's tokens, the others one learned mask token.

    It has no class token: the image tower gives patch tokens alone.

    Args:
        input_width: width of the encoder's tokens.
        patch_size: p, in pixels.
        channels: C of the images.
        width: D, a multiple of 4 and of `heads`.
        depth: Transformer blocks.
        heads: attention heads.
    """

    def __init__(self, input_width: int, patch_size: int, channels: int = 3, width: int = 512, depth: int = 8, heads: int = 16) -> None:
        super().__init__()
        if width % 4 or width % heads:
            raise ValueError(f"width must be a multiple of 4 and of heads ({heads}), got {width}")
        self.width = width
        self.embed = nn.Linear(input_width, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.blocks = nn.Sequential(*(Block(width, heads, mlp_ratio=4, qkv_bias=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, patch_size * patch_size * channels)
        self._initialise()
        accelerate(self)

    def _initialise(self) -> None:
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor, inverse: Tensor, grid: tuple[int, int]) -> Tensor:
        """Pixels of every patch.

        Args:
            tokens: [B, n, input_width] of the visible patches, in the order in which they were kept.
            inverse: [B, P], where each patch sits in the order that puts the visible ones first.
            grid: (R, Q) with R * Q = P.

        Returns:
            [B, P, p * p * C], patches in row-major order, each in row, column, channel order.
        """
        x = self._unshuffle(self.embed(tokens), inverse)
        x = x + sin_cos_positions(*grid, self.width, device=x.device)
        return self.head(self.norm(self.blocks(x)))

    def _unshuffle(self, visible: Tensor, inverse: Tensor) -> Tensor:
        """Append mask tokens up to P and put each patch where it belongs: [B, P, D]."""
        batch, kept, width = visible.shape
        missing = self.mask_token.to(visible.dtype).expand(batch, inverse.shape[1] - kept, width)
        shuffled = torch.cat([visible, missing], dim=1)
        return shuffled.gather(1, inverse[:, :, None].expand(-1, -1, width))
