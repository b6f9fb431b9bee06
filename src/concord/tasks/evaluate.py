"""`task=evaluate`: measure a trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from concord.benchmarks import Bench
from concord.config import build, check
from concord.errors import ConfigError
from concord.models.checkpoint import load
from concord.reports import find_runs, leaderboard, write_page
from concord.tasks.assemble import require_path
from concord.tasks.measure import measure
from concord.tasks.record import save_config


def evaluate(cfg: dict[str, Any], folder: Path, checkpoint: str | None) -> dict[str, float]:
    """Measure a checkpoint with the configured benchmark; the folder gets records, gallery, metrics and report.

    Raises:
        ConfigError: without a checkpoint or a benchmark.
        CheckpointError: for a checkpoint that cannot be read.
    """
    path = require_path(checkpoint, "checkpoint", "task=evaluate checkpoint=runs/.../checkpoints/best.ckpt")
    if not cfg["benchmark"].get("tasks"):
        raise ConfigError("benchmark.tasks is empty, so there is nothing to measure; choose one, as in benchmark=quick")
    check(cfg["benchmark"], "benchmark")
    scorer = load(path)
    save_config(cfg, folder)
    bench: Bench = build(cfg["benchmark"], "benchmark")
    results = measure(bench, scorer.model, scorer.preprocess, scorer.tokenizer)
    results.write(folder)
    values = results.values()
    (folder / "metrics.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
    runs = find_runs(folder)
    console = Console()
    console.print(leaderboard(runs))
    console.print(f"report: {write_page(runs, folder / 'report.html')}", soft_wrap=True)
    return values
