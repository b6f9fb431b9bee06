"""How embeddings of images and texts are compared: cosine, token-wise late interaction, Lorentz distance, or an image that is
conditioned on the text.

Dimensions: N rows, M columns, P image tokens, T text tokens, K mixture tokens, H heads, E embedding width.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from concord.functional.hyperbolic import exp_map0, pairwise_distance
from concord.functional.late_interaction import token_scores
from concord.functional.text_conditioned import conditioned_cosines
from concord.models.poolers import AttentionPooler
from concord.models.transformer import check_heads
from concord.types import Embeddings

_PRODUCTS = 2**24  # numbers that belong to pairs of examples and exist at a time inside of a similarity


class Similarity(nn.Module):
    """Base of the similarities: logits are `scale * similarity + bias`, and this module owns scale and bias.

    Args:
        init_scale: first value of the scale, in [1, max_scale]. It is learned in log space.
        max_scale: upper bound of the scale, at least 1 (CLIP: 100).
        init_bias: first value of a learned bias (SigLIP: -10), or None for no bias.
        learn_scale: False keeps scale and bias at their first values.

    Attributes:
        needs_tokens: whether token embeddings take part.
        symmetric: whether `text_to_image` is the transpose of `image_to_text`.
        dot_product: whether `image_to_text` is a plain inner product of `Embeddings.vectors`, so that losses may tile it.
        logit_scale: log of the scale, scalar parameter.
        logit_bias: scalar parameter or None.
    """

    needs_tokens: ClassVar[bool] = False
    symmetric: ClassVar[bool] = True
    dot_product: ClassVar[bool] = False

    def __init__(
        self, init_scale: float = 1 / 0.07, max_scale: float = 100.0, init_bias: float | None = None, learn_scale: bool = True
    ) -> None:
        super().__init__()
        if max_scale < 1:
            raise ValueError(f"max_scale must be at least 1, got {max_scale}")
        if not 1 <= init_scale <= max_scale:
            raise ValueError(f"init_scale must lie in [1, max_scale = {max_scale}], got {init_scale}")
        self.max_scale = max_scale
        self.logit_scale = nn.Parameter(torch.tensor(math.log(init_scale)), requires_grad=learn_scale)
        self.logit_bias = None if init_bias is None else nn.Parameter(torch.tensor(float(init_bias)), requires_grad=learn_scale)

    @property
    def scale(self) -> Tensor:
        """The factor on the similarities, scalar, at most `max_scale`."""
        return self.logit_scale.exp().clamp(max=self.max_scale)

    @torch.no_grad()
    def clamp_(self) -> None:
        """Put the learned scalars back into their ranges (scale in [1, max_scale]); called after each optimizer step."""
        self.logit_scale.clamp_(0.0, math.log(self.max_scale))

    def lift_image(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        """Projected images, [N, E] and tokens [N, P, E], as embeddings."""
        raise NotImplementedError

    def lift_text(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        """Projected texts, [M, E] and tokens [M, T, E], as embeddings."""
        raise NotImplementedError

    def image_to_text(self, images: Embeddings, texts: Embeddings) -> Tensor:
        """Unscaled similarity of each image to each text, [N, M]; higher is closer."""
        raise NotImplementedError

    def text_to_image(self, texts: Embeddings, images: Embeddings) -> Tensor:
        """Unscaled similarity of each text to each image, [M, N]."""
        return self.image_to_text(images, texts).T

    def pair_cost(self, images: Embeddings, texts: Embeddings) -> int:
        """About how many numbers the comparison of one image with one text holds at a time."""
        return images.vectors.shape[1]


class Cosine(Similarity):
    """Cosine of the angle between pooled vectors (CLIP, Radford et al. 2021). Vectors have unit length, in full precision."""

    dot_product = True

    def lift_image(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        return Embeddings(_unit(vectors))

    def lift_text(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        return Embeddings(_unit(vectors))

    def image_to_text(self, images: Embeddings, texts: Embeddings) -> Tensor:
        # Full precision: at scale 100 one bf16 step of a logit is 0.5.
        with torch.autocast(images.vectors.device.type, enabled=False):
            return images.vectors @ texts.vectors.T

    def pair_cost(self, images: Embeddings, texts: Embeddings) -> int:
        return 1


class LateInteraction(Similarity):
    """Each token picks its best counterpart, and the picks are averaged (FILIP, Yao et al. 2022, eq. 4-5).

    Image-to-text averages over patches, text-to-image over words, so the two are not transposes of each other.
    Tokens have unit length; padding takes part neither in the maximum nor in the mean.
    """

    needs_tokens = True
    symmetric = False

    def lift_image(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        return self._lift(vectors, tokens, mask)

    def lift_text(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        return self._lift(vectors, tokens, mask)

    def image_to_text(self, images: Embeddings, texts: Embeddings) -> Tensor:
        return _token_scores(images, texts)

    def text_to_image(self, texts: Embeddings, images: Embeddings) -> Tensor:
        return _token_scores(texts, images)

    def pair_cost(self, images: Embeddings, texts: Embeddings) -> int:
        assert images.tokens is not None
        assert texts.tokens is not None
        return images.tokens.shape[1] * texts.tokens.shape[1]

    @staticmethod
    def _lift(vectors: Tensor, tokens: Tensor | None, mask: Tensor | None) -> Embeddings:
        if tokens is None:
            raise ValueError("tokens must be given to a late interaction, got None")
        return Embeddings(_unit(vectors), _unit(tokens), mask)


class Lorentz(Similarity):
    """Minus the geodesic distance on a hyperboloid of learned curvature (MERU, Desai et al. 2023).

    A projected vector v is scaled by exp(alpha) <= 1, one alpha per modality starting at 1 / sqrt(E), and lifted with the
    exponential map at the origin. Embeddings keep the space part. All in full precision.

    Args:
        embed_dim: E.
        init_curvature: first value of the (absolute) curvature, in [0.1, 10]; learned in log space and kept in that range.
        learn_curvature: False keeps it.

    The other arguments are those of `Similarity`.
    """

    MIN_CURVATURE: ClassVar[float] = 0.1
    MAX_CURVATURE: ClassVar[float] = 10.0

    def __init__(
        self,
        embed_dim: int,
        init_curvature: float = 1.0,
        learn_curvature: bool = True,
        init_scale: float = 1 / 0.07,
        max_scale: float = 100.0,
        init_bias: float | None = None,
        learn_scale: bool = True,
    ) -> None:
        super().__init__(init_scale, max_scale, init_bias, learn_scale)
        if embed_dim < 1:
            raise ValueError(f"embed_dim must be at least 1, got {embed_dim}")
        if not self.MIN_CURVATURE <= init_curvature <= self.MAX_CURVATURE:
            raise ValueError(f"init_curvature must lie in [{self.MIN_CURVATURE}, {self.MAX_CURVATURE}], got {init_curvature}")
        self.embed_dim = embed_dim
        self.log_curvature = nn.Parameter(torch.tensor(math.log(init_curvature)), requires_grad=learn_curvature)
        self.image_alpha = nn.Parameter(torch.tensor(-0.5 * math.log(embed_dim)))
        self.text_alpha = nn.Parameter(torch.tensor(-0.5 * math.log(embed_dim)))

    @property
    def curvature(self) -> Tensor:
        """The absolute curvature k of the hyperboloid, scalar in [0.1, 10]."""
        return self.log_curvature.exp().clamp(self.MIN_CURVATURE, self.MAX_CURVATURE)

    @torch.no_grad()
    def clamp_(self) -> None:
        super().clamp_()
        self.log_curvature.clamp_(math.log(self.MIN_CURVATURE), math.log(self.MAX_CURVATURE))
        self.image_alpha.clamp_(max=0.0)
        self.text_alpha.clamp_(max=0.0)

    def lift_image(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        return self._lift(vectors, self.image_alpha)

    def lift_text(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        return self._lift(vectors, self.text_alpha)

    def image_to_text(self, images: Embeddings, texts: Embeddings) -> Tensor:
        with torch.autocast(images.vectors.device.type, enabled=False):
            return -pairwise_distance(images.vectors, texts.vectors, self.curvature)

    def _lift(self, vectors: Tensor, alpha: Tensor) -> Embeddings:
        with torch.autocast(vectors.device.type, enabled=False):
            return Embeddings(exp_map0(_full(vectors) * alpha.clamp(max=0.0).exp(), self.curvature))


class TextConditioned(Similarity):
    """The cosine of a text with the image as that text sees it (Llip, Lavoie et al. 2024).

    An image is K mixture tokens. The text asks, in H heads; a softmax over the tokens answers with weights; the weighted tokens
    are the image for this text alone. Every text is compared with every image in this way, in training and after it: a match
    that alone were conditioned on its own caption would give the answer away.

    Differs from the paper: there the mixture tokens are further inputs of the Vision Transformer, here K learned queries look at
    the tokens of any tower once. Queries come from the normalised text embedding. K = 1 is an ordinary cosine.

    Args:
        embed_dim: E, a multiple of `heads`.
        mixtures: K; the paper has 64.
        heads: H; the paper has 8.
        temperature: of the softmax over the mixture tokens, above 0; below 1 sharpens it.

    The other arguments are those of `Similarity`. The vectors of images are their mixture under even weights, for whoever wants
    one vector of an image without a text.
    """

    needs_tokens = True

    def __init__(
        self,
        embed_dim: int,
        mixtures: int = 64,
        heads: int = 8,
        temperature: float = 1.0,
        init_scale: float = 1 / 0.07,
        max_scale: float = 100.0,
        init_bias: float | None = None,
        learn_scale: bool = True,
    ) -> None:
        super().__init__(init_scale, max_scale, init_bias, learn_scale)
        check_heads(embed_dim, heads)
        if mixtures < 1:
            raise ValueError(f"mixtures must be at least 1, got {mixtures}")
        if temperature <= 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        self.embed_dim = embed_dim
        self.heads = heads
        self.temperature = temperature
        self.mixtures = AttentionPooler(embed_dim, mixtures, heads)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim, bias=False)
        self.norm_query = nn.LayerNorm(embed_dim)
        self.query = nn.Linear(embed_dim, embed_dim, bias=False)
        self.output = nn.Linear(embed_dim, embed_dim, bias=False)
        for layer in (self.key_value, self.query, self.output):
            nn.init.normal_(layer.weight, std=embed_dim**-0.5)

    def lift_image(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        """Tokens are the keys and values of the mixture tokens side by side, [N, K, 2 * E]: all of an image that texts ask for."""
        if tokens is None:
            raise ValueError("tokens must be given to a text-conditioned similarity, got None")
        lifted = _full(self.key_value(self.mixtures(tokens)))
        even = lifted[..., self.embed_dim :].mean(dim=1)
        return Embeddings(_unit(self.output(even)), lifted)

    def lift_text(self, vectors: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Embeddings:
        return Embeddings(_unit(vectors))

    def image_to_text(self, images: Embeddings, texts: Embeddings) -> Tensor:
        assert images.tokens is not None
        keys, values = images.tokens.view(*images.tokens.shape[:2], 2, self.heads, -1).unbind(dim=2)
        chunk = max(1, _PRODUCTS // (len(texts) * self.pair_cost(images, texts)))
        with torch.autocast(images.tokens.device.type, enabled=False):
            queries = self.query(self.norm_query(texts.vectors)).view(len(texts), self.heads, -1)
            return conditioned_cosines(keys, values, queries, texts.vectors, self.output.weight, self.temperature, chunk)

    def pair_cost(self, images: Embeddings, texts: Embeddings) -> int:
        assert images.tokens is not None
        return self.heads * images.tokens.shape[1] + 2 * self.embed_dim


def _full(tensor: Tensor) -> Tensor:
    """At least single precision."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(_full(vectors), dim=-1)


def _token_scores(rows: Embeddings, columns: Embeddings) -> Tensor:
    assert rows.tokens is not None
    assert columns.tokens is not None
    products = rows.tokens.shape[1] * columns.tokens.shape[0] * columns.tokens.shape[1]
    return token_scores(rows.tokens, rows.mask, columns.tokens, columns.mask, chunk=max(1, _PRODUCTS // products))
