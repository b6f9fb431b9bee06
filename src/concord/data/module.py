"""WebDataModule: a source, its views and its order, as Lightning wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import numpy as np

from concord.access import access_of, is_guarded
from concord.data.bad import BadSamples
from concord.data.filters import Filter
from concord.data.lengths import CaptionLengths
from concord.data.loader import TrainingLoader
from concord.data.meter import LoaderReport
from concord.data.mixture import filtered, sampling_of
from concord.data.order import LengthPool, Order, Permutation, Setting, Shuffle, TrainingOrder
from concord.data.plan import DataPlan, plan_parts, plan_views
from concord.data.resumption import check_same_order, warn_of_other_files
from concord.data.source import Source, fingerprint_of, safe_captions_at
from concord.data.storage.paths import without_secrets
from concord.data.views import Augmentation, CaptionPolicy, Views, require_roles
from concord.distributed import Ranks
from concord.errors import ConfigError, DataError
from concord.images import Preprocess
from concord.tokenizers import Tokenizer
from concord.types import ImageView, TextView


class WebDataModule(L.LightningDataModule):
    """Image-text pairs for training: one endless epoch for the trainer, whatever the epochs of the data.

    `setup_views` must be called before training; objectives, tokenizer and preprocessing are known only then.

    Which pair stands where in the stream depends on the source, the order and the seed alone. A run therefore resumes with
    exactly the pairs that follow, also with other workers, on another number of processes, and with another batch size;
    only mixtures whose batches are formed by source, and `length_pool`, need the batch size that they had.

    Epochs of the data follow one another without a gap: nothing is dropped, nothing is padded, every batch is full.

    Args:
        source: where pairs come from.
        augmentation: recipes by name; the views name the recipes.
        batch_size: pairs per training step, over all processes.
        workers: reading processes per training process.
        prefetch: batches that each worker keeps ready.
        seed: of the order and of all draws.
        order: how the examples follow one another; `Shuffle` when not given.
        length_pool: form batches of captions with similar numbers of tokens among so many consecutive pairs, a multiple of the
            batch size; every process that reads then reads the captions of the whole pool. None: batches as they come.
        caption_policy: which caption of several is read; see `CaptionChoice`.
        filters: by name, what examples must be like to be read; see `Filtered`. None reads all.
        filter_cache: a local folder in which it is remembered between runs what passed the filters; None remembers nothing.
        max_bad_share: share of unusable examples above which the run stops, in [0, 1].
        stall_seconds: of waiting for one batch, after which a warning says what the workers do; above 0.
        pin_memory: use page-locked memory where there is a GPU.
        path: where the files lie, for sources that have files. It is shown in the summary, and the configurations let sources
            point to it, so that `data.path=...` moves the training and the held-out part together.

    Raises:
        ValueError: for a number outside its range.
        ConfigError: for a pool that does not fit the batches.
    """

    def __init__(
        self,
        source: Source,
        augmentation: dict[str, Augmentation],
        batch_size: int = 128,
        workers: int = 2,
        prefetch: int = 2,
        seed: int = 0,
        order: Order | None = None,
        length_pool: int | None = None,
        caption_policy: CaptionPolicy = "random",
        filters: dict[str, Filter] | None = None,
        filter_cache: str | None = None,
        max_bad_share: float = 0.05,
        stall_seconds: float = 120.0,
        pin_memory: bool = True,
        path: str | None = None,
    ) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0), ("prefetch", prefetch, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if not 0 <= max_bad_share <= 1:
            raise ValueError(f"max_bad_share must lie in [0, 1], got {max_bad_share}")
        if stall_seconds <= 0:
            raise ValueError(f"stall_seconds must be above 0, got {stall_seconds}")
        self.source = filtered(source, filters if filters is not None else {}, filter_cache)
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.workers = workers
        self.prefetch = prefetch
        self.seed = seed
        self.order = order if order is not None else Shuffle()
        self.sampling = sampling_of(self.source, self.order, str(seed), batch_size)
        self.length_pool = length_pool
        self.caption_policy: CaptionPolicy = caption_policy
        self.max_bad_share = max_bad_share
        self.stall_seconds = stall_seconds
        self.pin_memory = pin_memory
        self.path = path
        self._views: Views | None = None
        self._loader: TrainingLoader | None = None
        self._resumed = {"consumed": 0, "step": 0}
        if length_pool is not None and "batch_size" in self.sampling.settings():
            raise ConfigError("data.length_pool would undo the batches of data.source.batches; use data.source.batches=mixed with it")

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
            ConfigError: for a recipe that is not there, for fewer examples than one batch, and for a pool that no batches fill.
        """
        self._views = self.make_views(image_views, text_views, tokenizer, preprocess, size_multiple)
        require_roles(self.source, self.caption_policy if isinstance(self.caption_policy, dict) else (), "data.caption_policy")
        self._training_order(Ranks(0, 1))

    def make_views(
        self,
        image_views: Mapping[str, ImageView],
        text_views: Mapping[str, TextView],
        tokenizer: Tokenizer,
        preprocess: Preprocess,
        size_multiple: int = 1,
    ) -> Views:
        """What training makes of a pair, also for fewer examples than one batch.

        Raises:
            ConfigError: for a recipe that is not there.
        """
        return Views(image_views, text_views, self.augmentation, preprocess, tokenizer, self.caption_policy, self.seed, size_multiple)

    def captions(self, limit: int) -> Iterator[str]:
        """All captions of up to `limit` examples, drawn without replacement, for training a tokenizer, whose vocabulary is kept
        and passed on: of guarded data those alone that were not written about anybody.

        Raises:
            DataError: for guarded data that have no such captions.
        """
        shuffle = Permutation(len(self.source), f"captions/{self.seed}")
        found = False
        for index in shuffle(np.arange(min(limit, len(self.source)))).tolist():
            for caption in safe_captions_at(self.source, index):
                found = True
                yield caption
        if not found and is_guarded(self.source):
            raise DataError(
                f"{self.source.name} is {access_of(self.source)}: no vocabulary is learned from what was written about patients; use a "
                "tokenizer that has one, as in tokenizer=hf tokenizer.name=FOLDER or checkpoint=..., or add captions made of labels"
            )

    def plan(self) -> DataPlan:
        """What training will read; nothing is read for it."""
        examples = len(self.source)
        return DataPlan(
            source=self.source.name,
            path=without_secrets(self.path) if self.path is not None else None,
            examples=examples,
            batch_size=self.batch_size,
            batches_per_epoch=examples / self.batch_size,
            views=plan_views(self._ready(), self.batch_size),
            parts=plan_parts(self.source),
        )

    @property
    def bad(self) -> BadSamples:
        """Examples that could not be used so far, in this process."""
        return self._loader.bad if self._loader is not None else BadSamples()

    def report(self) -> LoaderReport:
        """What the batches took that this process received since the last report."""
        return self._loader.report() if self._loader is not None else LoaderReport(0.0, 0, 0.0)

    def explain(self, error: RuntimeError) -> DataError | None:
        """See `TrainingLoader.explain`."""
        return self._loader.explain(error) if self._loader is not None else None

    def train_dataloader(self) -> TrainingLoader:
        self._loader = TrainingLoader(
            self.source,
            self._training_order(Ranks.current()),
            self._ready(),
            start=self._consumed(),
            workers=self.workers,
            prefetch=self.prefetch,
            pin_memory=self.pin_memory,
            max_bad_share=self.max_bad_share,
            stall_seconds=self.stall_seconds,
        )
        return self._loader

    def _training_order(self, ranks: Ranks) -> TrainingOrder:
        return TrainingOrder(self.sampling, len(self.source), self.batch_size, ranks.rank, ranks.world, self._pool())

    def _pool(self) -> LengthPool | None:
        if self.length_pool is None:
            return None
        lengths = CaptionLengths(self.source, self._ready().texts)
        return LengthPool(self.sampling, lengths, self.length_pool, self.batch_size, str(self.seed))

    def state_dict(self) -> dict[str, Any]:
        """What has been consumed, as one number: examples, counted by the optimizer's steps and not by what was read ahead.

        Beside it stand the settings on which the order depends, and the fingerprint of the data.
        """
        state = {"consumed": self._consumed(), "step": self._step(), "fingerprint": fingerprint_of(self.source)}
        return {**state, "settings": self._order_settings()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the example after the last that the checkpoint was trained on.

        Raises:
            CheckpointError: when a setting is another: the order would be another.
        """
        check_same_order(state_dict["settings"], self._order_settings())
        warn_of_other_files(state_dict["fingerprint"], self.source)
        self._resumed = {"consumed": state_dict["consumed"], "step": state_dict["step"]}

    def _order_settings(self) -> dict[str, Setting]:
        """What must be the same for the order to be the same, by the name of the key under `data`."""
        settings: dict[str, Setting] = {"seed": self.seed, **self.order.settings(), "length_pool": self.length_pool}
        if self.length_pool is not None:
            settings |= {"batch_size": self.batch_size, "caption_policy": str(self.caption_policy)}
        return {**settings, **self.sampling.settings()}

    def _consumed(self) -> int:
        accumulated = self.trainer.accumulate_grad_batches if self.trainer is not None else 1
        return self._resumed["consumed"] + max(0, self._step() - self._resumed["step"]) * accumulated * self.batch_size

    def _step(self) -> int:
        return self.trainer.global_step if self.trainer is not None else self._resumed["step"]

    def _ready(self) -> Views:
        if self._views is None:
            raise RuntimeError("setup_views must be called before training")
        return self._views
