"""CoCa's multimodal half: text tokens that look at an image and say what comes next.

Dimensions: B pairs, L text positions, S image tokens, D text width, V vocabulary.
"""

from __future__ import annotations

from torch import Tensor, nn

from concord.models.operators import Linear
from concord.models.transformer import Block, CrossBlock, check_heads, initialize


class CaptionDecoder(nn.Module):
    """Each layer is a causal self-attention block and a cross-attention block (CoCa, Yu et al. 2022).

    Args:
        vocab_size: V.
        width: D, that of the text tower, a multiple of `heads`.
        image_width: width of the image tokens.
        depth: number of layers.
        heads: attention heads.
        mlp_ratio: hidden width of the MLPs over D.
    """

    def __init__(self, vocab_size: int, width: int, image_width: int, depth: int = 6, heads: int = 8, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        check_heads(width, heads)
        for name, value in (("vocab_size", vocab_size), ("image_width", image_width), ("depth", depth)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.vocab_size = vocab_size
        self.width = width
        self.image_width = image_width
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio) for _ in range(depth))
        self.cross_blocks = nn.ModuleList(CrossBlock(width, heads, image_width, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.output = Linear(width, vocab_size, bias=False)
        initialize(self.blocks, width, 2 * depth)
        initialize(self.cross_blocks, width, 2 * depth)
        nn.init.normal_(self.output.weight, std=0.02)

    def forward(self, text: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        """Scores of the next token.

        Args:
            text: [B, L, D] tokens of a causal text tower.
            image: [B, S, image_width] tokens of an image.
            mask: [B, L] bool, True at real tokens. Padding is on the right, where causality hides it.

        Returns:
            [B, L, V]; position t depends on the image and on tokens 0..t. At padding the scores are those of a zero token.
        """
        x = text * mask[..., None]
        for block, cross_block in zip(self.blocks, self.cross_blocks, strict=True):
            x = cross_block(block(x, causal=True), image)
        return self.output(self.norm(x))  # type: ignore[no-any-return]
