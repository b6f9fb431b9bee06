"""`trainer.preflight`: what would fail in the course of a long run is tried out before its first step, and leaves no trace."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning as L
import torch
from rich.console import Console

from concord.access import guarding, is_guarded
from concord.benchmarks import Task
from concord.data.source import BadSample, Source, location_of, probes
from concord.data.views.image import ImageViews
from concord.data.views.text import TextViews
from concord.distributed import Ranks
from concord.errors import ConcordError, DataError
from concord.methods import Pretrainer
from concord.models import DualEncoder
from concord.planning import BatchShape
from concord.tasks.assemble import Parts
from concord.tasks.measure import measure
from concord.training import preserved_random_state
from concord.training.callbacks.benchmark import evaluating
from concord.training.untouched import untouched
from concord.types import Pair

STEPS = 2
LIMIT = 64
"""Examples of each task of the benchmark, where it takes so few."""


class Preflight(L.Callback):
    """Before the first step: reads an example of every shard that it probes, makes every view, runs two optimizer steps of the
    largest batch, and measures once on few examples. Training goes on as if nothing had happened.

    All processes take part: they share the reading and the measuring, and each runs the steps.

    Args:
        parts: of the run.
        shape: of the largest batch.
        scorer: the configuration of what scores the benchmark.

    Raises:
        ConcordError: in one line, what failed: the shard, the view, the memory, or the task of the benchmark.
    """

    def __init__(self, parts: Parts, shape: BatchShape, scorer: Mapping[str, Any]) -> None:
        super().__init__()
        self.parts = parts
        self.shape = shape
        self.scorer = scorer

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, Pretrainer)
        started = time.monotonic()
        device = trainer.strategy.root_device
        with preserved_random_state(device):
            read = self._read()
            stepped = self._step(trainer, pl_module)
            with evaluating(pl_module), torch.no_grad():
                measured = self._measure(pl_module)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if trainer.is_global_zero:
            said = "; ".join([read, stepped, measured])
            Console().print(f"preflight: {time.monotonic() - started:.1f} s: {said}", markup=False, highlight=False, soft_wrap=True)

    def _read(self) -> str:
        """Read what is probed of the data, each process its share, and make every view of one example."""
        ranks, source = Ranks.current(), self.parts.data.source
        places = list(probes(source))
        failure, good = None, None
        with guarding(source):
            try:
                good = _first_good(places[ranks.rank :: ranks.world])
                if good is not None:
                    _make_views(self.parts, good)
            except ConcordError as error:
                failure = f"preflight: {error}"
        answers = ranks.gather_objects((failure, good is not None))
        for told, _ in answers:
            if told is not None:
                raise DataError(told)
        if not any(found for _, found in answers):
            raise DataError(f"preflight: {source.name}: none of {len(places)} examples spread over it can be used")
        views = len(self.parts.method.image_views) + len(self.parts.method.text_views)
        return f"{len(places)} places of the data read, {views} views made"

    def _step(self, trainer: L.Trainer, module: Pretrainer) -> str:
        """Optimizer steps as in training, but for the exchange of gradients, whose order DDP would remember."""
        pairs = self.parts.data.batch_size // Ranks.current().world
        device = trainer.strategy.root_device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        unsynchronised = getattr(trainer.strategy, "block_backward_sync", nullcontext)
        with _quietly(trainer), untouched(module, trainer.optimizers), _explaining(pairs), unsynchronised():
            batch = self.shape.make(pairs).to(device)
            for _ in range(STEPS):
                with trainer.precision_plugin.train_step_context():
                    loss = trainer.strategy.training_step(batch, 0)
                for optimizer in trainer.optimizers:
                    optimizer.zero_grad()
                loss.backward()  # type: ignore[union-attr]
                for optimizer in trainer.optimizers:
                    optimizer.step()
                for objective in module.objectives.values():
                    objective.after_step(module.model, 0.0)  # type: ignore[operator]
        peak = f" (at most {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB)" if device.type == "cuda" else ""
        return f"{STEPS} steps of {pairs:,} pairs on each process{peak}"

    def _measure(self, module: Pretrainer) -> str:
        """Measure with few examples; a task that takes no fewer is measured as it is."""
        model = module.model_in_use()
        for name, task in self.parts.bench.tasks.items():
            try:
                self._run(model, name, _limited(task))
            except (ConcordError, ValueError):
                try:
                    self._run(model, name, task)
                except ConcordError as error:
                    raise DataError(f"preflight: benchmark.tasks.{name}: {error}") from None
        return f"{len(self.parts.bench.tasks)} tasks of the benchmark measured"

    def _run(self, model: DualEncoder, name: str, task: Task) -> None:
        bench = copy.copy(self.parts.bench)
        bench.tasks, bench.summaries, bench.bootstrap, bench.gallery = {name: task}, {}, 0, 0
        measure(bench, self.scorer, model, self.parts.preprocess, self.parts.tokenizer, name)


def _limited(task: Task) -> Task:
    few = copy.copy(task)
    few.limit = LIMIT if task.limit is None else min(LIMIT, task.limit)
    return few


def _first_good(places: list[tuple[Source, int]]) -> tuple[Source, int] | None:
    """Read all places; the first that can be used, None where none can. Single bad examples are the business of training."""
    good = None
    for source, index in places:
        try:
            usable = bool(source[index].captions)
        except BadSample:
            continue
        except (DataError, OSError) as error:
            raise DataError(f"{location_of(source, index)}: {error}") from None
        good = (source, index) if good is None and usable else good
    return good


def _make_views(parts: Parts, place: tuple[Source, int]) -> None:
    """Every view of an example, one after the other, so that the one that fails has a name."""
    source, index = place
    pair: Pair = source[index]
    data, method = parts.data, parts.method
    for name, view in method.image_views.items():
        with _naming(name, source):
            images = ImageViews({name: view}, data.augmentation, parts.preprocess, data.seed, method.model.image.patch_size)
            images.collate([images.draw(pair, 0, index)])
    for name, text in method.text_views.items():
        with _naming(name, source):
            texts = TextViews({name: text}, copy.copy(parts.tokenizer), data.caption_policy, data.seed)
            texts.collate([texts.draw(pair, 0, index)[0]])


@contextmanager
def _naming(view: str, source: Source) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, BadSample):
            error = error.of(source)
        said = type(error).__name__ if is_guarded(source) and not isinstance(error, ConcordError) else " ".join(str(error).split())
        raise DataError(f"the view {view} of {source.name} cannot be made: {said}") from error


@contextmanager
def _quietly(trainer: L.Trainer) -> Iterator[None]:
    """Inside, no step is one that logs."""
    before = trainer.log_every_n_steps  # type: ignore[attr-defined]
    trainer.log_every_n_steps = sys.maxsize  # type: ignore[attr-defined]
    try:
        yield
    finally:
        trainer.log_every_n_steps = before  # type: ignore[attr-defined]


@contextmanager
def _explaining(pairs: int) -> Iterator[None]:
    """A step that does not work, in one line."""
    try:
        yield
    except ConcordError as error:
        raise ConcordError(f"preflight: a step of the largest batch: {error}") from error
    except (RuntimeError, ValueError, MemoryError) as error:
        said = " ".join(str(error).split())
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in said:
            raise ConcordError(
                f"preflight: a step of the largest batch, {pairs:,} pairs on each process, does not fit into memory: {said}; "
                "task=plan tells what takes it and what helps"
            ) from error
        raise ConcordError(f"preflight: a step of the largest batch fails: {type(error).__name__}: {said}") from error
