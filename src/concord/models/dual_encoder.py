"""Two towers and their projections into one embedding space: what is trained, saved, loaded and benchmarked.

Dimensions: B examples, N tokens, L text positions, D tower width, E embedding width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from torch import Tensor, nn

from concord.errors import IncompatibleError
from concord.models.decoder import CaptionDecoder
from concord.models.hf_text_tower import HFTextTower
from concord.models.image_tower import ImageTower
from concord.models.similarity import Lorentz, Similarity, TextConditioned
from concord.models.text_tower import TextTower
from concord.models.view_embedding import ViewEmbedding
from concord.types import Embeddings, Features, Tokens

Projection = Literal["linear", "affine", "mlp", "gelu_mlp", "hf_mlp", "none"]


class DualEncoder(nn.Module):
    """An image tower and a text tower that meet in one embedding space. It knows nothing of losses.

    Args:
        image: tower for images.
        text: tower for texts.
        similarity: how embeddings are compared; owns the logit scale and bias.
        embed_dim: E, width of the embedding space.
        decoder: predicts captions from image tokens and text tokens (CoCa); its widths must fit the towers.
        projection: "linear" without bias (CLIP), "affine" with one (SigLIP's text), "mlp" with one hidden ReLU layer of width E
            (ConVIRT), "gelu_mlp" with one hidden GELU layer of width 2 E and no bias at the end (OpenCLIP's images), "hf_mlp" with
            one of width (D + E) / 2 and no bias (OpenCLIP's texts by Hugging Face, as in BiomedCLIP), or "none", for a tower
            of width E.
        text_projection: that of the text tower; None for the same as the image tower's.
        view_embedding: whether what the image tower says of a radiograph gets a learned vector for its view position.

    Raises:
        IncompatibleError: parts whose widths do not fit.
    """

    def __init__(
        self,
        image: ImageTower,
        text: TextTower | HFTextTower,
        similarity: Similarity,
        embed_dim: int,
        decoder: CaptionDecoder | None = None,
        projection: Projection = "linear",
        text_projection: Projection | None = None,
        view_embedding: bool = False,
    ) -> None:
        super().__init__()
        if embed_dim < 1:
            raise ValueError(f"embed_dim must be at least 1, got {embed_dim}")
        if isinstance(similarity, Lorentz | TextConditioned) and similarity.embed_dim != embed_dim:
            raise IncompatibleError(f"similarity.embed_dim is {similarity.embed_dim} and embed_dim is {embed_dim}; make them equal")
        self.image = image
        self.text = text
        self.similarity = similarity
        self.embed_dim = embed_dim
        self.image_projection = _projection(projection, image.width, embed_dim)
        self.text_projection = _projection(projection if text_projection is None else text_projection, text.width, embed_dim)
        self.view_embedding = ViewEmbedding(image.width) if view_embedding else None
        self.decoder = decoder
        if decoder is not None:
            self._check_decoder(decoder)

    def embed_image(self, features: Features, view_positions: Tensor | None = None) -> Embeddings:
        """Image features in the embedding space of the similarity.

        Args:
            view_positions: [B] int64, places in `concord.types.VIEW_POSITIONS`, for models with a view embedding; None for unknown.
        """
        if self.view_embedding is not None:
            features = self.view_embedding(features, view_positions)
        return self._embed(features, self.image_projection, self.similarity.lift_image)

    def embed_text(self, features: Features) -> Embeddings:
        """Text features in the embedding space of the similarity."""
        return self._embed(features, self.text_projection, self.similarity.lift_text)

    def caption_logits(self, image: Features, text: Features, tokens: Tokens) -> Tensor:
        """Scores of the next token at every position, [B, L, V]: position t has seen the image and tokens 0..t.

        Raises:
            IncompatibleError: the model has no decoder.
        """
        if self.decoder is None:
            raise IncompatibleError("the model has no caption decoder; choose a captioning model such as method=coca")
        return self.decoder(text.tokens, image.tokens, tokens.mask)  # type: ignore[no-any-return]

    def describe(self) -> dict[str, int]:
        """Number of parameters of each part that has any."""
        counts = {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in self.named_children()}
        return {name: count for name, count in counts.items() if count > 0}

    def _embed(self, features: Features, projection: nn.Module, lift: Callable[..., Embeddings]) -> Embeddings:
        tokens = projection(features.tokens) if self.similarity.needs_tokens else None
        return lift(projection(features.pooled), tokens, features.mask)

    def _check_decoder(self, decoder: CaptionDecoder) -> None:
        fits: list[tuple[str, Any, str, Any]] = [
            ("width", decoder.width, "text.width", self.text.width),
            ("image_width", decoder.image_width, "image.width", self.image.width),
            ("vocab_size", decoder.vocab_size, "text.vocab_size", self.text.vocab_size),
        ]
        for name, value, other, expected in fits:
            if value != expected:
                raise IncompatibleError(f"decoder.{name} is {value} and {other} is {expected}; make them equal")


def _projection(kind: Projection, width: int, embed_dim: int) -> nn.Module:
    """From tower width to embedding width; a linear one starts as N(0, 1 / width)."""
    if kind in ("linear", "affine"):
        linear = nn.Linear(width, embed_dim, bias=kind == "affine")
        nn.init.normal_(linear.weight, std=width**-0.5)
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
        return linear
    if kind == "mlp":
        return nn.Sequential(nn.Linear(width, embed_dim), nn.ReLU(), nn.Linear(embed_dim, embed_dim))
    if kind == "gelu_mlp":
        return nn.Sequential(nn.Linear(width, 2 * embed_dim), nn.GELU(), nn.Linear(2 * embed_dim, embed_dim, bias=False))
    if kind == "hf_mlp":
        hidden = (width + embed_dim) // 2
        return nn.Sequential(nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, embed_dim, bias=False))
    if kind != "none":
        raise ValueError(f"projection must be one of {', '.join(get_args(Projection))}, got {kind!r}")
    if width != embed_dim:
        raise IncompatibleError(f"without a projection, the towers must have the width embed_dim={embed_dim}, got {width}")
    return nn.Identity()
