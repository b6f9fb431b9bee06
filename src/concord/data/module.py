"""WebDataModule: a source, its views and its order, as Lightning wants them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import lightning as L
import numpy as np

from concord.data.augment import Augmentation
from concord.data.loader import BadSamples, TrainingLoader
from concord.data.order import Permutation, TrainingOrder
from concord.data.source import Source, read_captions
from concord.data.views import CaptionPolicy, Views
from concord.distributed import Ranks
from concord.errors import CheckpointError
from concord.images import Preprocess
from concord.tokenizers import Tokenizer
from concord.types import ImageView, TextView

IDS_BYTES = 9  # per text position: an int64 id and a bool of the mask


@dataclass(frozen=True)
class ViewPlan:
    """What one view will look like in a global batch.

    Attributes:
        shape: of the tensor; of texts the largest, as captions are padded to the longest of the batch.
        bytes: of the tensor, of texts with their mask.
    """

    name: str
    recipe: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class DataPlan:
    """What training will read, for the summary before the first step."""

    source: str
    path: str | None
    examples: int
    batch_size: int
    batches_per_epoch: int
    views: tuple[ViewPlan, ...]

    @property
    def bytes(self) -> int:
        """Of a global batch, at most."""
        return sum(view.bytes for view in self.views)


class WebDataModule(L.LightningDataModule):
    """Image-text pairs for training: one endless epoch for the trainer, whatever the epochs of the data.

    `setup_views` must be called before training; objectives, tokenizer and preprocessing are known only then.

    Args:
        source: where pairs come from.
        augmentation: recipes by name; the views name the recipes.
        batch_size: pairs per training step, over all processes.
        workers: reading processes per training process.
        prefetch: batches that each worker keeps ready.
        seed: of the order and of all draws.
        caption_policy: which caption of several is read: the first, or a random one at every visit.
        max_bad_share: share of unusable examples above which the run stops, in [0, 1].
        pin_memory: use page-locked memory where there is a GPU.
        path: where the files lie, for sources that have files. It is shown in the summary, and the configurations let sources
            point to it, so that `data.path=...` moves the training and the held-out part together.

    Raises:
        ValueError: for a number outside its range.
    """

    def __init__(
        self,
        source: Source,
        augmentation: dict[str, Augmentation],
        batch_size: int = 128,
        workers: int = 2,
        prefetch: int = 2,
        seed: int = 0,
        caption_policy: CaptionPolicy = "random",
        max_bad_share: float = 0.05,
        pin_memory: bool = True,
        path: str | None = None,
    ) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0), ("prefetch", prefetch, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if not 0 <= max_bad_share <= 1:
            raise ValueError(f"max_bad_share must lie in [0, 1], got {max_bad_share}")
        self.source = source
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.workers = workers
        self.prefetch = prefetch
        self.seed = seed
        self.caption_policy: CaptionPolicy = caption_policy
        self.max_bad_share = max_bad_share
        self.pin_memory = pin_memory
        self.path = path
        self._views: Views | None = None
        self._loader: TrainingLoader | None = None
        self._resumed = {"consumed": 0, "step": 0}

    def setup_views(
        self,
        image_views: Mapping[str, ImageView],
        text_views: Mapping[str, TextView],
        tokenizer: Tokenizer,
        preprocess: Preprocess,
        size_multiple: int = 1,
    ) -> None:
        """Say what the objectives need to see; see `Views`.

        Raises:
            ConfigError: for a recipe that is not there, and for fewer examples than one batch.
        """
        self._views = Views(
            image_views, text_views, self.augmentation, preprocess, tokenizer, self.caption_policy, self.seed, size_multiple
        )
        TrainingOrder(len(self.source), self.batch_size, self.seed)

    def captions(self, limit: int) -> Iterator[str]:
        """All captions of up to `limit` examples, drawn without replacement, for training a tokenizer."""
        shuffle = Permutation(len(self.source), f"captions/{self.seed}")
        for index in shuffle(np.arange(min(limit, len(self.source)))).tolist():
            yield from read_captions(self.source, index)

    def plan(self) -> DataPlan:
        """What training will read; nothing is read for it."""
        views = self._ready()
        images = [
            _plan(name, view.recipe, (self.batch_size, view.count, 3, views.sizes[name], views.sizes[name]), 1)
            for name, view in views.image_views.items()
        ]
        length = views.tokenizer.context_length
        texts = [_plan(name, view.recipe, (self.batch_size, view.count, length), IDS_BYTES) for name, view in views.text_views.items()]
        order = TrainingOrder(len(self.source), self.batch_size, self.seed)
        return DataPlan(self.source.name, self.path, len(self.source), self.batch_size, order.batches_per_epoch, (*images, *texts))

    @property
    def bad(self) -> BadSamples:
        """Examples that could not be used so far, in this process."""
        return self._loader.bad if self._loader is not None else BadSamples()

    def train_dataloader(self) -> TrainingLoader:
        ranks = Ranks.current()
        order = TrainingOrder(len(self.source), self.batch_size, self.seed, ranks.rank, ranks.world)
        self._loader = TrainingLoader(
            self.source, order, self._ready(), self._consumed(), self.workers, self.prefetch, self.pin_memory, self.max_bad_share
        )
        return self._loader

    def state_dict(self) -> dict[str, Any]:
        """What has been consumed, as one number: global batches, counted by the optimizer's steps and not by what was read ahead."""
        return {"consumed": self._consumed(), "step": self._step(), **self._order_settings()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the batch after the last that the checkpoint was trained on.

        Raises:
            CheckpointError: when the data, the batch size or the seed are others: the order would be another.
        """
        for name, value in self._order_settings().items():
            if state_dict[name] != value:
                raise CheckpointError(
                    f"the checkpoint was trained with data.{name}={state_dict[name]}, this run has {value}; "
                    f"resume with {state_dict[name]}, or start a new run from the weights with checkpoint="
                )
        self._resumed = {"consumed": state_dict["consumed"], "step": state_dict["step"]}

    def _order_settings(self) -> dict[str, int]:
        return {"batch_size": self.batch_size, "seed": self.seed, "examples": len(self.source)}

    def _consumed(self) -> int:
        accumulated = self.trainer.accumulate_grad_batches if self.trainer is not None else 1
        return self._resumed["consumed"] + max(0, self._step() - self._resumed["step"]) * accumulated

    def _step(self) -> int:
        return self.trainer.global_step if self.trainer is not None else self._resumed["step"]

    def _ready(self) -> Views:
        if self._views is None:
            raise RuntimeError("setup_views must be called before training")
        return self._views


def _plan(name: str, recipe: str, shape: tuple[int, ...], width: int) -> ViewPlan:
    """A view with one draw has no axis for its draws."""
    rows, count, *rest = shape
    return ViewPlan(name, recipe, (rows, *rest) if count == 1 else shape, width * math.prod(shape))
