"""The bench: a set of tasks that measures any model in the same way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from concord.access import access_of, guarding, is_guarded
from concord.benchmarks.adapters import Embedder, as_scorer
from concord.benchmarks.cache import EmbeddingCache
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Scorer
from concord.benchmarks.records import Results, merge
from concord.benchmarks.summaries import Summary
from concord.benchmarks.task import Task
from concord.distributed import Ranks
from concord.errors import DataError, IncompatibleError, MissingExtraError

log = logging.getLogger(__name__)

LACKING = (DataError, IncompatibleError, MissingExtraError)
"""Errors of a data set, a model or a package that lacks what a task needs; a bench that skips what is missing goes on after them."""


@dataclass(frozen=True)
class Spent:
    """What a task took.

    Attributes:
        task: its name in the bench.
        seconds: on this process.
        images: pictures that were read and embedded for it, on all processes; those that a task before it shares do not count.
    """

    task: str
    seconds: float
    images: int

    @property
    def speed(self) -> float:
        """Images per second."""
        return self.images / self.seconds


class Bench:
    """Tasks with the settings that they share.

    Args:
        tasks: by any name; the names of the records come from the tasks and their data sets.
        seed: of subsets, shown examples and the bootstrap. It is the bench's own: runs that differ in the seed of their
            training are measured on the same examples.
        bootstrap: resamples behind each interval, at least 100.
        gallery: how many examples to show per question, at least 0. Of guarded data sets none is shown, see `concord.access`.
        predictions: keep what was answered example by example; it names the examples by their keys.
        skip_missing: leave out tasks whose data set is missing, or for which the model lacks something, and say why, instead of
            ending with the first of them.
        summaries: made of the numbers of the tasks, by the names that they are reported under; a later one may use an earlier.

    Attributes:
        skipped: tasks that were left out before the run, with the reason.
    """

    def __init__(
        self,
        tasks: dict[str, Task],
        seed: int = 0,
        bootstrap: int = 1000,
        gallery: int = 16,
        predictions: bool = False,
        skip_missing: bool = False,
        summaries: dict[str, Summary] | None = None,
    ) -> None:
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        if bootstrap < 100:
            raise ValueError(f"bootstrap must be at least 100, got {bootstrap}")
        if gallery < 0:
            raise ValueError(f"gallery must be at least 0, got {gallery}")
        _refuse_same_names(tasks)
        self.tasks = tasks
        self.seed = seed
        self.bootstrap = bootstrap
        self.gallery = gallery
        self.predictions = predictions
        self.skip_missing = skip_missing
        self.summaries = summaries or {}
        self.skipped: dict[str, str] = {}
        self._kept_back: set[str] = set()

    @torch.no_grad()
    def run(
        self,
        scorer: Scorer | Embedder,
        others: Mapping[str, Scorer] | None = None,
        ranks: Ranks | None = None,
        cache: EmbeddingCache | None = None,
        about: Mapping[str, str] | None = None,
        watch: Callable[[Spent], None] | None = None,
    ) -> Results:
        """Measure a model with every task, and beside it a collapsed one with the same code.

        Args:
            scorer: the model; any object with `embed_images` and `embed_texts` will do, see `Embedder`.
            others: the same model scored in other ways, by name, such as its caption likelihood; they add records of their own.
            ranks: the processes that share the work and all call this; every one gets the whole results.
            cache: where embeddings are kept between runs.
            about: columns that the tables of the results have besides, such as the name of the model.
            watch: is told after each task what it took.
        """
        evaluation = Evaluation(as_scorer(scorer), others, self.seed, self.bootstrap, self.gallery, ranks, cache)
        baseline = evaluation.collapsed()
        parts = [Results(skipped=self.skipped, about=dict(about or {}))]
        for name, task in self.tasks.items():
            started, images = time.monotonic(), evaluation.embedded
            with guarding(task):
                parts.append(self._run_task(name, task, evaluation, baseline))
            spent = Spent(name, time.monotonic() - started, evaluation.embedded - images)
            log.info("%s: %.1f s, %d images embedded, %.0f images/s", name, spent.seconds, spent.images, spent.speed)
            if watch is not None:
                watch(spent)
        return self._summarize(merge(parts), evaluation)

    def _summarize(self, found: Results, evaluation: Evaluation) -> Results:
        for name, summary in self.summaries.items():
            found = merge([found, summary.run(name, evaluation, found)])
        return found if self.predictions else replace(found, answers=[])

    def _run_task(self, name: str, task: Task, evaluation: Evaluation, baseline: Evaluation) -> Results:
        try:
            results = task.run(evaluation).with_baseline(task.run(baseline))
        except LACKING as error:
            if not self.skip_missing:
                raise
            return Results(skipped={name: str(error)})
        results = self._showable(task, results)
        return results if self.predictions or self.summaries else replace(results, answers=[])

    def _showable(self, task: Task, results: Results) -> Results:
        """Without examples of guarded data; that they are missing is said once."""
        if not is_guarded(task):
            return results
        if results.gallery and task.reader.name not in self._kept_back:
            self._kept_back.add(task.reader.name)
            log.warning("%s is %s: none of its examples is shown", task.reader.name, access_of(task))
        return results.without_examples()


def _refuse_same_names(tasks: dict[str, Task]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for name, task in tasks.items():
        records = (task.kind, task.reader.name)
        if records in seen:
            raise ValueError(f"tasks {seen[records]} and {name} would both report {'/'.join(records)}; remove one or rename its data set")
        seen[records] = name
