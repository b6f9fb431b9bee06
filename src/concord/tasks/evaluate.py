"""`task=evaluate`: measure a trained model."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from concord.benchmarks import EmbeddingCache, Results, Spent
from concord.config import check
from concord.distributed import Ranks
from concord.errors import ConfigError
from concord.files import write_json
from concord.models.checkpoint import load
from concord.reports import find_runs, leaderboard, write_page
from concord.tasks.assemble import TRAINER_INJECTED, require_path
from concord.tasks.guard import keep_to_owner
from concord.tasks.measure import SCORER_INJECTED, build_bench, measure
from concord.tasks.record import save_config
from concord.training import processes

PLACEMENT = ("accelerator", "devices", "nodes", "strategy")
"""What of the trainer's keys says where to measure; the model computes in fp32, whatever its training did."""


def evaluate(cfg: dict[str, Any], folder: Path, checkpoint: str | None, cache: str | None) -> dict[str, float]:
    """Measure a checkpoint with the configured benchmark; the folder gets records, gallery, metrics and report.

    Several processes, started with the keys of `trainer` as in training, share the work; the first one writes and prints.

    Args:
        cfg: the resolved configuration.
        folder: this run's folder.
        checkpoint: the model.
        cache: where embeddings are kept between runs; None keeps none.

    Raises:
        ConfigError: without a checkpoint or a benchmark.
        CheckpointError: for a checkpoint that cannot be read.
        DataError: for a data set that is missing, unless `benchmark.skip_missing`.
    """
    path = require_path(checkpoint, "checkpoint", "task=evaluate checkpoint=runs/.../checkpoints/best.ckpt")
    if not cfg["benchmark"].get("tasks"):
        raise ConfigError("benchmark.tasks is empty, so there is nothing to measure; choose one, as in benchmark=quick")
    check(cfg["benchmark"], "benchmark")
    check(cfg["scorer"], "scorer", SCORER_INJECTED)
    check(cfg["trainer"], "trainer", TRAINER_INJECTED)
    spent: list[Spent] = []
    with processes(**{key: cfg["trainer"][key] for key in PLACEMENT if key in cfg["trainer"]}) as device:
        results = _measure(cfg, folder, path, device, cache, spent)
        values = results.values()
        if Ranks.current().rank == 0:
            save_config(cfg, folder)
            results.write(folder)
            write_json(folder / "metrics.json", values)
            _show(results, spent, device, folder)
    return values


def _measure(cfg: Mapping[str, Any], folder: Path, path: str, device: torch.device, cache: str | None, spent: list[Spent]) -> Results:
    bench = build_bench(cfg["benchmark"])
    keep_to_owner(folder, bench.tasks.values())
    scorer = load(path, device)
    kept = None if cache is None else EmbeddingCache(Path(cache) / "embeddings")
    return measure(bench, cfg["scorer"], scorer.model, scorer.preprocess, scorer.tokenizer, path, kept, spent.append)


def _show(results: Results, spent: Sequence[Spent], device: torch.device, folder: Path) -> None:
    runs = find_runs(folder)
    page = write_page(runs, folder / "report.html")
    console = Console()
    console.print(leaderboard(runs, console.width))
    console.print(_times(spent))
    sizes = {f"{record.task}/{record.dataset}": record.n for record in reversed(results.records)}
    lines = [
        f"model: {results.about['model']} (fingerprint {results.about['fingerprint']})",
        f"data: {', '.join(f'{name} ({n:,})' for name, n in sorted(sizes.items()))}",
        *(f"skipped: {task}: {reason}" for task, reason in results.skipped.items()),
        f"peak memory: {_peak_memory(device)}",
        f"results: {folder} (records.csv, records.parquet, records.json, gallery)",
        f"report: {page}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _times(spent: Sequence[Spent]) -> Table:
    table = Table(title="time", title_justify="left", caption="images that tasks share are embedded for the first of them")
    table.add_column("task")
    for name in ("seconds", "images embedded", "images/s"):
        table.add_column(name, justify="right")
    for one in spent:
        table.add_row(one.task, f"{one.seconds:.1f}", f"{one.images:,}", f"{one.speed:,.0f}" if one.images else "")
    return table


def _peak_memory(device: torch.device) -> str:
    """Of the first process."""
    unit = 1 if sys.platform == "darwin" else 1024  # the system counts bytes or KiB
    text = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.2f} GiB"
    return f"{text}, GPU {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB" if device.type == "cuda" else text
