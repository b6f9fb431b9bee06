"""The bench: a set of tasks that measures any model in the same way."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Scorer
from concord.benchmarks.records import Results, merge
from concord.benchmarks.task import Task
from concord.distributed import Ranks


class Bench:
    """Tasks with the settings that they share.

    Args:
        tasks: by any name; the names of the records come from the tasks and their data sets.
        seed: of subsets, shown examples and the bootstrap. It is the bench's own: runs that differ in the seed of their
            training are measured on the same examples.
        bootstrap: resamples behind each interval, at least 100.
        gallery: how many examples to show per question, at least 0.
    """

    def __init__(self, tasks: dict[str, Task], seed: int = 0, bootstrap: int = 1000, gallery: int = 16) -> None:
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

    @torch.no_grad()
    def run(self, scorer: Scorer, others: Mapping[str, Scorer] | None = None, ranks: Ranks | None = None) -> Results:
        """Measure a model with every task, and beside it a collapsed one with the same code.

        Args:
            scorer: the model.
            others: the same model scored in other ways, by name, such as its caption likelihood; they add records of their own.
            ranks: the processes that share the work and all call this; every one gets the whole results.
        """
        evaluation = Evaluation(scorer, others, self.seed, self.bootstrap, self.gallery, ranks)
        baseline = evaluation.collapsed()
        return merge([task.run(evaluation).with_baseline(task.run(baseline)) for task in self.tasks.values()])


def _refuse_same_names(tasks: dict[str, Task]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for name, task in tasks.items():
        records = (task.kind, task.reader.name)
        if records in seen:
            raise ValueError(f"tasks {seen[records]} and {name} would both report {'/'.join(records)}; remove one or rename its data set")
        seen[records] = name
