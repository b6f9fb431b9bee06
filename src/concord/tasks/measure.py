"""A model on a bench: the same code in training and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from concord.benchmarks import Bench, EmbeddingCache, Results, Spent, Task
from concord.benchmarks.bench import LACKING
from concord.config import build, check
from concord.distributed import Ranks
from concord.images import Preprocess
from concord.models import DualEncoder
from concord.models.likelihood import CaptionLikelihood, DebiasedLikelihood
from concord.models.scorer import BaseScorer, Scorer
from concord.tokenizers import Tokenizer
from concord.training.provenance import versions

PACKAGES = ("concord", "torch", "timm")
"""Whose versions stand in the tables."""

SCORER_INJECTED = ("model", "preprocess", "tokenizer", "device")


def build_bench(spec: Mapping[str, Any]) -> Bench:
    """The bench with all its data sets, before anything is measured; with `skip_missing`, without those that are not there.

    Raises:
        ConfigError: for wrong keys and values.
        DataError: for a data set that is missing, unless such are skipped.
    """
    check(spec, "benchmark")
    tasks: dict[str, Task] = {}
    skipped: dict[str, str] = {}
    for name, node in spec["tasks"].items():
        try:
            tasks[name] = build(node, f"benchmark.tasks.{name}")
        except LACKING as error:
            if not spec.get("skip_missing"):
                raise
            skipped[name] = str(error)
    bench: Bench = build({key: value for key, value in spec.items() if key != "tasks"}, "benchmark", tasks=tasks)
    bench.skipped = skipped
    return bench


def measure(
    bench: Bench,
    spec: Mapping[str, Any],
    model: DualEncoder,
    preprocess: Preprocess,
    tokenizer: Tokenizer,
    name: str,
    cache: EmbeddingCache | None = None,
    watch: Callable[[Spent], None] | None = None,
) -> Results:
    """Run the bench with the configured scorer and, where the model has a decoder, with the other ways to score it besides.

    All processes of a group call this, share the work and get the same results.

    Args:
        bench: the tasks.
        spec: the scorer's configuration.
        model, preprocess, tokenizer: what is scored.
        name: of the model, for the tables.
        cache: where embeddings are kept between runs; never while the model is trained.
        watch: is told after each task what it took.

    Raises:
        ConfigError: for a scorer that does not fit the model.
    """
    scorer: BaseScorer = build(spec, "scorer", model=model, preprocess=preprocess, tokenizer=tokenizer, device=None)
    ways: dict[str, type[BaseScorer]] = {"similarity": Scorer}
    if model.decoder is not None:
        ways |= {"likelihood": CaptionLikelihood, "debiased_likelihood": DebiasedLikelihood}
    others = {name: way(model, preprocess, tokenizer) for name, way in ways.items() if way is not type(scorer)}
    ranks = Ranks.current()
    # Where a model keeps running statistics, each process of a training run has its own; the first one's are what is saved.
    with ranks.as_on_first(model.buffers()):
        return bench.run(scorer, others, ranks, cache, _about(name, scorer), watch)


def _about(name: str, scorer: BaseScorer) -> dict[str, str]:
    """What every row of the tables says of the model and of what measured it."""
    found = versions()
    return {"model": name, "fingerprint": scorer.fingerprint(), **{package: found[package] for package in PACKAGES if package in found}}
