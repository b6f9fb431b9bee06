"""Small towers of known answers, and the scores of each similarity pair by pair, by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import LateInteraction, Lorentz, TextConditioned
from concord.types import Features, Tokens

WIDTH, EMBED, SIZE = 12, 8, 16
TEXTS = ["a red box", "two", "a very long caption about a green ball left of a small blue box", "a ball", "blue", "one small red ball"]


class Pixels(nn.Module):
    """Four patches of an image, each its mean colour through a layer; dropout tells training from evaluation."""

    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, WIDTH)
        self.dropout = nn.Dropout(0.5)

    def forward(self, images: Tensor, keep: Tensor | None = None) -> Features:
        patches = nn.functional.adaptive_avg_pool2d(images.to(self.layer.weight.dtype) / 255, 2).flatten(2).transpose(1, 2)
        tokens = self.dropout(self.layer(patches))
        return Features(tokens.mean(dim=1), tokens)


class Words(nn.Module):
    """Running means of word vectors, so that a position sees those before it; the pooled vector is that of the last word."""

    width = WIDTH
    context_length = 32

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.table = nn.Embedding(vocab_size, WIDTH)
        self.dropout = nn.Dropout(0.5)

    def forward(self, tokens: Tokens) -> Features:
        count = torch.arange(1, tokens.ids.shape[1] + 1, dtype=self.table.weight.dtype)
        running = self.dropout(self.table(tokens.ids)).cumsum(dim=1) / count[:, None]
        return Features(running[torch.arange(len(running)), tokens.end], running, tokens.mask)


class Speaker(nn.Module):
    """Next-word scores from the text so far and the mean of the image."""

    width = image_width = WIDTH

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.layer = nn.Linear(2 * WIDTH, vocab_size)

    def forward(self, text: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        return self.layer(torch.cat([text, image.mean(dim=1, keepdim=True).expand_as(text)], dim=-1))


def cosine_by_hand(image: Tensor, text: Tensor) -> float:
    return float(image @ text / (image.norm() * text.norm()))


def late_by_hand(queries: Tensor, keys: Tensor) -> float:
    return sum(max(cosine_by_hand(query, key) for key in keys) for query in queries) / len(queries)


def lorentz_by_hand(image: Tensor, text: Tensor, curvature: float) -> float:
    """Minus the distance of two tangent vectors at the origin, by the formulas of MERU in double precision."""
    root = math.sqrt(curvature)

    def lift(vector: Tensor) -> Tensor:
        vector = vector.double() / math.sqrt(EMBED)
        length = root * vector.norm()
        return vector * (torch.sinh(length) / length)

    x, y = lift(image), lift(text)
    product = x @ y - torch.sqrt(1 / curvature + x @ x) * torch.sqrt(1 / curvature + y @ y)
    return -float(torch.acosh(-curvature * product) / root)


def brute_force(model: DualEncoder, image: Features, text: Features, query: str) -> Tensor:
    """Every pair by itself, from the towers' features."""
    similarity = model.similarity
    scores = torch.empty(len(image.pooled), len(text.pooled))
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            with torch.no_grad():
                one, other = model.image_projection(image.pooled[i]), model.text_projection(text.pooled[j])
                patches, words = model.image_projection(image.tokens[i]), model.text_projection(text.tokens[j][text.mask[j]])
            if isinstance(similarity, LateInteraction):
                scores[i, j] = late_by_hand(patches, words) if query == "image" else late_by_hand(words, patches)
            elif isinstance(similarity, TextConditioned):
                scores[i, j] = conditioned_by_hand(similarity, patches, other)
            elif isinstance(similarity, Lorentz):
                scores[i, j] = lorentz_by_hand(one, other, similarity.curvature.item())
            else:
                scores[i, j] = cosine_by_hand(one, other)
    return scores


def conditioned_by_hand(similarity: TextConditioned, image: Tensor, text: Tensor) -> float:
    """One image [P, E] as one text [E] sees it, head by head in double precision, from the weights of the similarity."""
    with torch.no_grad():
        tokens = similarity.mixtures(image[None])[0].double()
        text = text.double() / text.double().norm()
        asked = similarity.query.weight.double() @ nn.functional.layer_norm(text, (EMBED,))
    keys, values = (tokens @ half.double().T for half in similarity.key_value.weight.detach().chunk(2))
    width, mixed = EMBED // similarity.heads, []
    for head in range(similarity.heads):
        part = slice(head * width, (head + 1) * width)
        weights = [math.exp(float(key[part] @ asked[part]) / math.sqrt(width) / similarity.temperature) for key in keys]
        mixed.append(sum(weight * value[part] for weight, value in zip(weights, values, strict=True)) / sum(weights))
    return cosine_by_hand(similarity.output.weight.detach().double() @ torch.cat(mixed), text)
