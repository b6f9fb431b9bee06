"""A model as benchmarks and users see it: raw images and raw texts in, scores out.

Dimensions: N images, M texts, C classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from concord.errors import IncompatibleError
from concord.functional.precision import at_least_float32
from concord.images import Preprocess, decode
from concord.models.dual_encoder import DualEncoder
from concord.models.patches import patch_tokens
from concord.models.similarity import Cosine, LateInteraction
from concord.tokenizers import Tokenizer
from concord.types import Embeddings, Features, PatchAttention, RawImage, Tokens

BUDGET = 2**26
"""Numbers that the comparison of one tile of images with one tile of texts may hold at a time; 256 MiB in single precision."""

Query = Literal["image", "text"]


class BaseScorer:
    """What all scorers share: batches, tiles, evaluation mode without gradients. The model is left in the mode it was in.

    A subclass says what it keeps of an image and of a text, and how it compares the two.

    Args:
        model: the dual encoder.
        preprocess: how pictures are brought to the tower.
        tokenizer: that of the text tower.
        device: where to compute; the model is moved there. None leaves it where it is.
        batch_size: images or texts that go through a tower at a time.
    """

    def __init__(
        self,
        model: DualEncoder,
        preprocess: Preprocess,
        tokenizer: Tokenizer,
        device: torch.device | str | None = None,
        batch_size: int = 256,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.model = model if device is None else model.to(device)
        self.preprocess = preprocess
        self.tokenizer = tokenizer
        self.batch_size = batch_size

    @property
    def device(self) -> torch.device:
        return self.model.similarity.logit_scale.device

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        """What the scorer keeps of N images, on the CPU.

        Raises:
            DataError: an image that cannot be decoded.
            ValueError: no image.
        """
        return self._embed_images(images, self._keep_image)

    def prepare(self, image: RawImage) -> RawImage:
        """The square that the image tower sees of a picture. Of it the model makes the same as of the picture, with less to do:
        for threads that work ahead of `embed_images`.

        Raises:
            DataError: a picture that cannot be decoded.
        """
        # Pixels alone: a picture might also carry how it has to be turned, and would be turned again.
        return np.asarray(self.preprocess.fit(decode(image, self.preprocess.max_pixels, self.preprocess.background)))

    def embed_features(self, images: Sequence[RawImage]) -> Embeddings:
        """What the image tower says of N images before the projection, vectors [N, D] as they are, on the CPU.

        Raises:
            DataError: an image that cannot be decoded.
            ValueError: no image.
        """
        return self._embed_images(images, lambda features: Embeddings(features.pooled))

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """What the scorer keeps of M texts, on the CPU.

        Raises:
            ValueError: no text.
        """
        if len(texts) == 0:
            raise ValueError("texts must hold at least one text, got none")
        # Texts of like length share a batch, so that short ones are not padded to the longest of all.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = []
        with evaluating(self.model):
            for start in range(0, len(order), self.batch_size):
                tokens = self.tokenizer([texts[index] for index in order[start : start + self.batch_size]])
                parts.append(self._keep_text(tokens.to(self.device)).to("cpu"))
        return Embeddings.cat(parts)[torch.tensor(order).argsort()]

    @property
    def pairwise(self) -> bool:
        """Whether the model was trained with sigmoids, pair by pair, so that it has a bias (SigLIP)."""
        return self.model.similarity.logit_bias is not None

    def logits(self, scores: Tensor) -> Tensor:
        """Scores as the training loss sees them: times the scale, plus the bias where there is one."""
        similarity = self.model.similarity
        shift = 0.0 if similarity.logit_bias is None else similarity.logit_bias.item()
        return scores * similarity.scale.item() + shift

    def fingerprint(self) -> str:
        """A text that changes with the weights, the preprocessing, the tokenizer and the kind of scorer, and with nothing else."""
        hashed = blake2b(digest_size=16)
        for name, tensor in self.model.state_dict().items():
            hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            hashed.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        about = [type(self).__name__, self._settings(), self.preprocess.to_dict(), self.tokenizer.to_dict()]
        hashed.update(json.dumps(about, sort_keys=True).encode())
        return hashed.hexdigest()

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is longer than the context, so that the model does not see its end."""
        return [length > self.tokenizer.context_length for length in self.text_lengths(texts)]

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones included, before anything is cut off."""
        return self.tokenizer.lengths(texts)

    def score(self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Query = "image") -> Tensor:
        """How well each text fits each image, [N, M] on the CPU; higher is better, neither scaled nor shifted.

        The matrix is made tile by tile, so that comparisons of all tokens with all tokens fit in memory.

        Args:
            images: raw images, or what `embed_images` made of them.
            texts: raw texts, or what `embed_texts` made of them.
            query: which side searches the other. It matters for late interaction only, which is not symmetric.
        """
        if query not in ("image", "text"):
            raise ValueError(f"query must be 'image' or 'text', got {query!r}")
        images = images if isinstance(images, Embeddings) else self.embed_images(images)
        texts = texts if isinstance(texts, Embeddings) else self.embed_texts(texts)
        rows, columns = self._tile(images, texts)
        strips = []
        with evaluating(self.model):
            for column in slices(len(texts), columns):
                score_images = self._against(texts[column].to(self.device), query)
                strips.append([score_images(images[row].to(self.device)).cpu() for row in slices(len(images), rows)])
        return torch.cat([torch.cat(strip) for strip in strips], dim=1)

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        """How well each class fits each image, [N, C]; a class is described by one or more prompts.

        Args:
            images: what `embed_images` made.
            prompts: for each class its prompts. How they are brought together is the scorer's choice, see its class.
        """
        if len(prompts) == 0 or any(len(group) == 0 for group in prompts):
            raise ValueError("prompts must hold at least one class and each class at least one prompt")
        strips = []
        for groups in _portions(prompts, self.batch_size):
            texts = self.embed_texts([prompt for group in groups for prompt in group])
            strips.append(self.score_groups(images, texts, [len(group) for group in groups]))
        return torch.cat(strips, dim=1)

    def score_groups(self, images: Embeddings, texts: Embeddings, sizes: list[int]) -> Tensor:
        """Scores of groups of neighbouring embedded texts, [N, len(sizes)]: here the mean over each group."""
        return torch.stack([part.mean(dim=1) for part in torch.split(self.score(images, texts), sizes, dim=1)], dim=1)

    def _embed_images(self, images: Sequence[RawImage], keep: Callable[[Features], Embeddings]) -> Embeddings:
        if len(images) == 0:
            raise ValueError("images must hold at least one image, got none")
        parts = []
        with evaluating(self.model):
            for start in range(0, len(images), self.batch_size):
                pixels = torch.stack([self.preprocess(image) for image in images[start : start + self.batch_size]])
                parts.append(keep(self.model.image(pixels.to(self.device))).to("cpu"))
        return Embeddings.cat(parts)

    def _settings(self) -> dict[str, Any]:
        """What scores depend on beside the model, its preprocessing and its tokenizer, as plain values."""
        return {}

    def _keep_image(self, features: Features) -> Embeddings:
        raise NotImplementedError

    def _keep_text(self, tokens: Tokens) -> Embeddings:
        raise NotImplementedError

    def _tile(self, images: Embeddings, texts: Embeddings) -> tuple[int, int]:
        """How many images are compared with how many texts at a time."""
        raise NotImplementedError

    def _against(self, texts: Embeddings, query: Query) -> Callable[[Embeddings], Tensor]:
        """A function that scores a tile of images against this tile of texts; what depends on the texts alone is done once."""
        raise NotImplementedError


class Scorer(BaseScorer):
    """Scores by the model's own similarity: cosine, late interaction, minus a hyperbolic distance, or a text-conditioned cosine.

    Models of pairwise sigmoids are scored by the same similarity: their probability rises with it, but ends in ties near 0 and 1.
    `logits` and `pairwise` tell how to get there.

    Prompts of one class: unit vectors are averaged and brought back to unit length (CLIP, Radford et al. 2021) where the
    similarity is an inner product; scores are averaged where it is not (FILIP, Yao et al. 2022; Lorentz distance).
    """

    def classify(self, image: RawImage, names: Sequence[str], template: str = "a photo of a {}") -> dict[str, float]:
        """Probability of each name for one image, the likeliest first: a softmax over the scaled scores.

        Args:
            image: what to classify.
            names: the classes, each once.
            template: the text of a class, {} standing for its name.
        """
        if len(set(names)) != len(names) or len(names) == 0:
            raise ValueError(f"names must hold each class once, got {list(names)}")
        if "{}" not in template:
            raise ValueError(f"template must contain {{}} where the name goes, got {template!r}")
        scores = self.score_classes(self.embed_images([image]), [[template.replace("{}", name)] for name in names])[0]
        probabilities = (scores.double() * self.model.similarity.scale.item()).softmax(dim=0).tolist()
        return dict(sorted(zip(names, probabilities, strict=True), key=lambda item: -item[1]))

    @property
    def symmetric(self) -> bool:
        """Whether a score is the same whichever side searches the other."""
        return self.model.similarity.symmetric

    @property
    def patch_size(self) -> int:
        """Side of what one patch sees, in pixels."""
        return self.model.image.patch_size

    def embed_patches(self, pixels: Tensor, attention: PatchAttention = "vanilla") -> tuple[Tensor, tuple[int, int]]:
        """Patches in the space of the texts: tokens behind the tower's final norm, through the projection, at unit length.

        Args:
            pixels: [N, 3, H, W] uint8, sides multiples of `patch_size`.
            attention: what patches look at in the last block, see `concord.models.patches`.

        Returns:
            [N, P, E] in row-major order, on the CPU, and the rows and columns of their grid.

        Raises:
            IncompatibleError: a tower without one token per patch, or a similarity that is not about angles.
        """
        if not isinstance(self.model.similarity, Cosine | LateInteraction):
            raise IncompatibleError(f"patches are compared by angles, and {type(self.model.similarity).__name__} is no cosine")
        parts = []
        with evaluating(self.model):
            for part in torch.split(pixels, self.batch_size):
                tokens = patch_tokens(self.model.image, part.to(self.device), attention)
                parts.append(F.normalize(at_least_float32(self.model.image_projection(tokens)), dim=-1).cpu())
        return torch.cat(parts), self.model.image.grid_size(*pixels.shape[-2:])

    def _keep_image(self, features: Features) -> Embeddings:
        return self.model.embed_image(features)

    def _keep_text(self, tokens: Tokens) -> Embeddings:
        return self.model.embed_text(self.model.text(tokens))

    def _tile(self, images: Embeddings, texts: Embeddings) -> tuple[int, int]:
        side = max(1, math.isqrt(BUDGET // self.model.similarity.pair_cost(images, texts)))
        return side, side

    def _against(self, texts: Embeddings, query: Query) -> Callable[[Embeddings], Tensor]:
        similarity = self.model.similarity
        if query == "image":
            return lambda images: similarity.image_to_text(images, texts)
        return lambda images: similarity.text_to_image(texts, images).T

    def score_groups(self, images: Embeddings, texts: Embeddings, sizes: list[int]) -> Tensor:
        if not self.model.similarity.dot_product:
            return super().score_groups(images, texts, sizes)
        means = torch.stack([part.mean(dim=0) for part in torch.split(texts.vectors, sizes)])
        return self.score(images, Embeddings(F.normalize(means, dim=-1)))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training


def slices(total: int, size: int) -> list[slice]:
    """Neighbouring parts of so many things, of `size` each but for the last."""
    return [slice(start, start + size) for start in range(0, total, size)]


def _portions(groups: Sequence[Sequence[str]], size: int) -> Iterator[list[Sequence[str]]]:
    """Whole groups, together of about `size` texts."""
    portion: list[Sequence[str]] = []
    for group in groups:
        portion.append(group)
        if sum(map(len, portion)) >= size:
            yield portion
            portion = []
    if portion:
        yield portion
