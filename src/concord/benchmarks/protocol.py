"""What a benchmark sees of the two things it brings together: a model and a data set.

Dimensions: N images, M texts, C classes, D tower width, P patches, E embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from concord.types import Embeddings, Pair, PatchAttention, RawImage

Query = Literal["image", "text"]


class Scorer(Protocol):
    """A model under test. It alone decides what a score is; a benchmark only compares scores, and higher is better.

    Scores may have any range and sign, but no ceiling: probabilities that saturate at 1 make ties, and ties are misses.
    """

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        """What the model keeps of N images, on the CPU."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """What the model keeps of M texts, on the CPU."""
        ...

    def score(self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Query = "image") -> Tensor:
        """How well each text fits each image, [N, M]; `query` says which side searches the other, where that matters."""
        ...

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        """How well each class fits each image, [N, C]; a class is described by one or more prompts."""
        ...


@runtime_checkable
class Calibrated(Protocol):
    """A scorer whose scores can be turned into probabilities."""

    @property
    def pairwise(self) -> bool:
        """Whether each pair has a probability of its own (sigmoid, SigLIP) instead of a share among candidates (softmax, CLIP)."""
        ...

    def logits(self, scores: Tensor) -> Tensor:
        """Scores as the training saw them: scaled, and shifted where the model has a bias."""
        ...


@runtime_checkable
class Featured(Protocol):
    """A scorer that shows what its image tower says before the projection, for probes."""

    def embed_features(self, images: Sequence[RawImage]) -> Embeddings:
        """The pooled output of the image tower, vectors [N, D], not normalised, on the CPU."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A scorer whose pictures can be brought to its tower ahead of it."""

    def prepare(self, image: RawImage) -> RawImage:
        """A picture of which `embed_images` makes the same as of the original, with less to do. Several threads may call this.

        Raises:
            DataError: where it cannot be decoded.
        """
        ...


@runtime_checkable
class Grouped(Protocol):
    """A scorer that brings the prompts of a class together after they were embedded."""

    def score_groups(self, images: Embeddings, texts: Embeddings, sizes: list[int]) -> Tensor:
        """As `score_classes`, [N, C], for embedded prompts: the first class has `sizes[0]` of them, and so on."""
        ...


@runtime_checkable
class Dense(Protocol):
    """A scorer that places the patches of an image in the space of its texts, for segmentation."""

    def embed_patches(self, pixels: Tensor, attention: PatchAttention = "vanilla") -> tuple[Tensor, tuple[int, int]]:
        """Of pixels [N, 3, H, W] uint8, whose sides are multiples of the patch size: unit vectors [N, P, E] in row-major
        order, on the CPU, and the rows and columns of their grid; `attention` says what the patches look at last."""
        ...

    @property
    def patch_size(self) -> int: ...


@runtime_checkable
class Identified(Protocol):
    """A scorer that can say what it is."""

    def fingerprint(self) -> str:
        """A text that changes with the weights, the preprocessing and the tokenizer, and with nothing else."""
        ...


@runtime_checkable
class Truncating(Protocol):
    """A scorer that can say which texts it does not read to their end."""

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """By text, whether it is longer than the model reads."""
        ...


@runtime_checkable
class Tokenizing(Protocol):
    """A scorer that can say how it cuts texts into tokens."""

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones included, before anything is cut off."""
        ...


@runtime_checkable
class Symmetric(Protocol):
    """A scorer that can say that `query` makes no difference to its scores; of one that cannot, it is taken to make one."""

    @property
    def symmetric(self) -> bool: ...


class Named(Protocol):
    """A data set of any kind."""

    @property
    def name(self) -> str:
        """Stands in the names of the records."""
        ...


@runtime_checkable
class Listed(Protocol):
    """A data set that says which examples it holds."""

    @property
    def list_hash(self) -> str:
        """A short text that stands for the list of them, in any order and any format."""
        ...


class Reader(Named, Protocol):
    """A data set of single examples, with random access. Several threads may ask at once."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair:
        """One example.

        Raises:
            DataError: where this example cannot be read; benchmarks leave it out and say so.
        """
        ...
