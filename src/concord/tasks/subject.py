"""A method as the planning sees it, and the largest batch that it may meet."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from concord.config import build
from concord.data.views.image import ImageViews
from concord.images import Preprocess
from concord.methods import Pretrainer
from concord.planning import BatchShape, Subject
from concord.tokenizers import Tokenizer
from concord.training.callbacks.summary import parts_of


def subject_of(cfg: Mapping[str, Any], method: Pretrainer, tokenizer: Tokenizer) -> Subject:
    """A method as the planning sees it."""
    trainer: Any = _NoTrainer(global_step=0, max_steps=int(cfg["trainer"]["max_steps"]), log_every_n_steps=sys.maxsize)
    method._trainer = trainer
    return Subject(
        module=method,
        parts=parts_of(method),
        objectives=method.objectives,
        step=lambda batch: method.training_step(batch, 0),
        optimizer=lambda: method.optimizer_settings.build(method),
        batch=largest_batch(cfg, method, tokenizer).make,
    )


def largest_batch(cfg: Mapping[str, Any], method: Pretrainer, tokenizer: Tokenizer) -> BatchShape:
    """The shape of the largest batches that the configured data give; the data are not opened."""
    image = method.model.image
    preprocess: Preprocess = build(cfg["preprocess"], "preprocess", image_size=image.image_size)
    augmentation = {name: build(node, f"data.augmentation.{name}") for name, node in cfg["data"]["augmentation"].items()}
    sizes = ImageViews(method.image_views, augmentation, preprocess, size_multiple=image.patch_size).sizes
    images = {name: (view, sizes[name]) for name, view in method.image_views.items()}
    length = tokenizer.context_length
    return BatchShape(images, method.text_views, length, tokenizer.vocab_size, len(image.get_buffer("mean")))


class _NoTrainer(SimpleNamespace):
    """What a step asks of its trainer, where there is none; no step is one that logs."""
