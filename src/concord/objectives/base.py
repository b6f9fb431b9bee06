"""The contract of an objective: one term of the training loss that composes with any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from concord.distributed import Ranks
from concord.models.dual_encoder import DualEncoder
from concord.objectives.pieces import R, Rows, in_pieces
from concord.types import Batch, Embeddings, Features, ImageView, Paper, TextView, Tokens


@dataclass
class Terms:
    """What an objective says of one batch.

    Attributes:
        loss: scalar to minimise, unweighted. It is a mean over this rank's rows, such that the mean over ranks is the
            loss of the global batch.
        logs: scalars to look at, detached; they are not optimised.
        examples: what each pair of this rank costs, [b], detached; None where the loss cannot be told by pair. With it, runs on
            several sources log the loss of each.
        weights: how much each pair counts where the loss is a weighted mean of `examples`, [b]; None where all count alike.
    """

    loss: Tensor
    logs: Mapping[str, Tensor] = field(default_factory=dict)
    examples: Tensor | None = None
    weights: Tensor | None = None

    @staticmethod
    def join(parts: Sequence[Terms]) -> Terms:
        """Of equally many neighbouring pairs each, as `mean` makes them."""
        if len(parts) == 1:
            return parts[0]
        logs = {name: torch.stack([part.logs[name] for part in parts]).mean(dim=0) for name in parts[0].logs}
        examples = torch.cat([part.examples for part in parts if part.examples is not None])
        return Terms(torch.stack([part.loss for part in parts]).mean(), logs, examples)

    @staticmethod
    def mean(losses: Tensor, logs: Mapping[str, Tensor] | None = None) -> Terms:
        """The loss is the mean over this rank's pairs, [b]."""
        return Terms(losses.mean(), logs if logs is not None else {}, losses.detach())


class Step:
    """A batch on its way through the model. Every view is encoded once, by the first objective that asks for it.

    Views with a count V above one come flattened: rows b * V + v.

    Args:
        model: what encodes.
        batch: the pairs of this rank.
        ranks: this process among its peers.
        micro_batch: pairs that go through a tower, or through what else `in_pieces` runs, at a time; None for all of this rank.
        progress: share of training done, in [0, 1].
    """

    def __init__(self, model: DualEncoder, batch: Batch, ranks: Ranks, micro_batch: int | None = None, progress: float = 0.0) -> None:
        self.model = model
        self.batch = batch
        self.ranks = ranks
        self.micro_batch = micro_batch
        self.progress = progress
        self._features: dict[tuple[str, str], Features] = {}
        self._embeddings: dict[tuple[str, str], Embeddings] = {}

    def __len__(self) -> int:
        """B, the pairs on this rank."""
        return len(self.batch)

    def pixels(self, view: str) -> Tensor:
        """The view's images as they came, uint8 [B * V, C, H, W]."""
        images = self.batch.images[view]
        return images.flatten(0, -4) if images.ndim == 5 else images

    def tokens(self, view: str) -> Tokens:
        """The view's captions as they came, ids and mask [B * V, L]."""
        tokens = self.batch.texts[view]
        return tokens.flatten() if tokens.ids.ndim == 3 else tokens

    def image(self, view: str) -> Features:
        """The image tower's features of a view."""
        key = ("image", view)
        if key not in self._features:
            self._features[key] = self.in_pieces(self.model.image, self.pixels(view))
        return self._features[key]

    def text(self, view: str) -> Features:
        """The text tower's features of a view."""
        key = ("text", view)
        if key not in self._features:
            self._features[key] = self.in_pieces(self.model.text, self.tokens(view))
        return self._features[key]

    def image_embeddings(self, view: str) -> Embeddings:
        """The view's images in the embedding space of the model's similarity."""
        key = ("image", view)
        if key not in self._embeddings:
            positions = self._view_positions(view)
            inputs = (self.image(view),) if positions is None else (self.image(view), positions)
            self._embeddings[key] = self.in_pieces(self.model.embed_image, *inputs)
        return self._embeddings[key]

    def _view_positions(self, view: str) -> Tensor | None:
        """[B * V], as the view's images come."""
        positions, images = self.batch.view_positions, self.batch.images[view]
        return positions.repeat_interleave(images.shape[1]) if positions is not None and images.ndim == 5 else positions

    def text_embeddings(self, view: str) -> Embeddings:
        """The view's captions in the embedding space of the model's similarity."""
        key = ("text", view)
        if key not in self._embeddings:
            self._embeddings[key] = self.in_pieces(self.model.embed_text, self.text(view))
        return self._embeddings[key]

    @property
    def embedded(self) -> dict[str, Embeddings]:
        """What was embedded so far, by view."""
        return {view: embeddings for (_, view), embeddings in self._embeddings.items()}

    def in_pieces(self, function: Callable[..., R], *inputs: Rows) -> R:
        """`function(*inputs)` on `micro_batch` pairs at a time, with the same value and gradient: see `concord.objectives.pieces`.

        For whatever an objective runs itself that is heavy: a tower, a decoder, a head with a large answer. What compares pairs
        or has batch statistics stays outside.
        """
        return in_pieces(function, inputs, len(self), self.micro_batch)


class Objective(nn.Module):
    """One term of the loss: settings, heads and state of its own, and the views that it needs.

    A subclass is final. Its `__init__` takes checked settings only; `setup` builds what depends on the model.

    Attributes:
        image_views, text_views: by view name, what the data module must supply. Objectives that name the same view share it.
        paper: where the objective comes from.
        needs_negatives: whether a global batch of one example has no meaning for it.
    """

    image_views: Mapping[str, ImageView] = {}
    text_views: Mapping[str, TextView] = {}
    paper: ClassVar[Paper]
    needs_negatives: ClassVar[bool] = False

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"weight must be at least 0, got {weight}")
        self.weight = weight

    def check(self, model: DualEncoder) -> None:
        """Refuse a model that cannot carry this objective.

        Raises:
            IncompatibleError: with the reason and the way out, in one line.
        """

    def check_batch(self, pairs: int, world: int) -> None:
        """Refuse a batch of `pairs` pairs on each of `world` processes.

        Raises:
            IncompatibleError: with the reason and the way out, in one line.
        """

    def setup(self, model: DualEncoder) -> None:
        """Build the heads from the model's widths; called once, after `check`, before the optimizer is made."""

    def forward(self, step: Step) -> Terms:
        raise NotImplementedError

    def after_step(self, model: DualEncoder, progress: float) -> None:
        """Follow the optimizer step (EMA teachers, queues). `progress` is the share of training done, in [0, 1]."""
