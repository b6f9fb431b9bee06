"""`task=train`: train a method on a data set, measure it, and leave a run folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from rich.console import Console

from concord import signals
from concord.benchmarks import Results
from concord.config import build
from concord.data import BadSamples, PartPlan
from concord.errors import CheckpointError, ConcordError
from concord.methods import Pretrainer
from concord.models.adapters import without_adapters
from concord.models.checkpoint import load
from concord.models.scorer import Scorer
from concord.reports import find_runs, leaderboard, write_page
from concord.tasks.assemble import Parts, assemble, check_config
from concord.tasks.guard import keep_to_owner, refuse_guarded, refuse_shared_patients
from concord.tasks.measure import measure
from concord.tasks.preflight import Preflight
from concord.tasks.record import save_config
from concord.tasks.subject import largest_batch
from concord.training import leave_if_preempted, newest_good, seed_everything

log = logging.getLogger(__name__)


def train(cfg: dict[str, Any], folder: Path, resume: str | None, checkpoint: str | None) -> dict[str, float]:
    """Train what the configuration describes.

    Args:
        cfg: the resolved configuration.
        folder: the run folder.
        resume: the run folder again, where an interrupted run shall go on; "auto" where it may not have begun.
        checkpoint: a trained model to start from; its tokenizer is taken over.

    Returns:
        The last value of everything that was measured, by name.

    Raises:
        Preempted: after a signal that stopped the run, beside a user's mistakes.
    """
    check_config(cfg)
    save_config(cfg, folder)
    seed_everything(cfg["seed"])
    last = _last_checkpoint(folder, begun=resume != "auto") if resume is not None else None
    known = last if last is not None else checkpoint
    start = load(known) if known is not None else None
    parts = assemble(cfg, start.tokenizer if start is not None else None)
    keep_to_owner(folder, [parts.data.source, *parts.bench.tasks.values()])
    refuse_shared_patients(parts.data.source, parts.bench)
    if start is not None and last is None:
        start_from(parts.method, start, str(checkpoint))
    trainer = build_trainer(cfg, folder, parts)
    fit(trainer, parts, last)
    leave_if_preempted(trainer)
    if trainer.is_global_zero:
        _show(folder, parts.data.bad)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def fit(trainer: L.Trainer, parts: Parts, last: Path | None) -> None:
    """Train, from a checkpoint of the same run where there is one.

    Raises:
        DataError: when a process that reads data died, beside what Lightning raises.
        ConcordError: when it died of the SIGTERM that ends this one, in the middle of a step.
    """
    try:
        trainer.fit(parts.method, datamodule=parts.data, ckpt_path=last, weights_only=True)
    except RuntimeError as error:
        if (death := parts.data.explain(error)) is not None:
            if signals.heard() is signals.STOP:
                raise ConcordError("stopped by SIGTERM in the middle of a step; resume goes on from the last checkpoint") from error
            raise death from error
        raise


def start_from(method: Pretrainer, start: Scorer, path: str) -> None:
    """Give the method's model the weights of a trained one; both must have the same parts.

    Raises:
        CheckpointError: naming the first part that differs.
    """
    ours, theirs = method.model.state_dict(), start.model.state_dict()
    ours = {name: ours[name] for name in ours if without_adapters(name) is not None}  # new adapters begin as zero
    theirs = {name: theirs[plain] for name in ours if (plain := without_adapters(name)) in theirs}
    differing = [name for name in ours if name not in theirs or ours[name].shape != theirs[name].shape]
    if differing:
        raise CheckpointError(
            f"checkpoint: {path} does not fit the configured model at {differing[0]} and {len(differing) - 1} more places"
        )
    method.model.load_state_dict(theirs, strict=False)


def build_trainer(cfg: Mapping[str, Any], folder: Path, parts: Parts) -> L.Trainer:
    """The trainer with its callbacks and loggers."""

    def measured(module: L.LightningModule) -> Results:
        assert isinstance(module, Pretrainer)
        return measure(parts.bench, cfg["scorer"], module.model_in_use(), parts.preprocess, parts.tokenizer, cfg["name"])

    injected: dict[str, dict[str, Any]] = {
        "benchmark": {"measure": measured},
        "summary": {"lines": summary_lines(parts, _batches(cfg))},
        "data": {"means": lambda: parts.data.report().values(), "counts": lambda: {"bad": parts.data.bad.causes.total()}},
        "record": {"details": lambda: {"examples_read": parts.data.bad.read, "bad_examples": dict(parts.data.bad.causes)}},
    }
    wanted = {name: node for name, node in cfg["callbacks"].items() if name != "benchmark" or parts.bench.tasks}
    callbacks = [build(node, f"callbacks.{name}", **injected.get(name, {})) for name, node in wanted.items()]
    loggers = {name: build(node, f"logger.{name}") for name, node in cfg["logger"].items()}
    for name, logger in loggers.items():
        if logger.media:
            refuse_guarded(f"logger.{name}.media=true", [parts.data.source, *parts.bench.tasks.values()], "null shows those of open data")
    preflight = Preflight(parts, largest_batch(cfg, parts.method, parts.tokenizer), cfg["scorer"])
    trainer: L.Trainer = build(
        cfg["trainer"], "trainer", callbacks=callbacks, logger=list(loggers.values()), folder=folder, check=preflight
    )
    for logger in trainer.loggers:
        logger.log_hyperparams(dict(cfg))
    return trainer


def summary_lines(parts: Parts, batches: int) -> dict[str, str]:
    """What the start summary says of the data, for a run of so many global batches."""
    plan = parts.data.plan()
    views = ", ".join(f"{view.name} ({view.recipe}) {'x'.join(map(str, view.shape))}" for view in plan.views)
    patients = f" of {plan.patients:,} patients" if plan.patients is not None else ""
    sources = "; ".join(_part_line(part, batches * plan.batch_size) for part in plan.parts)
    epoch = f"{plan.batches_per_epoch:,.1f} batches per epoch, " if not sources else ""  # each source of a mixture has its own
    return {
        "data": f"{plan.source}, {plan.examples:,} examples{patients}" + (f" in {plan.path}" if plan.path is not None else ""),
        **({"sources": sources} if sources else {}),
        "batch": f"{plan.batch_size:,} pairs, {epoch}{plan.bytes / 2**20:.1f} MiB",
        "views": views,
        "vocabulary": f"{parts.tokenizer.vocab_size:,} tokens, captions of at most {parts.tokenizer.context_length}",
    }


def _part_line(part: PartPlan, pairs: int) -> str:
    patients = f" of {part.patients:,} patients" if part.patients is not None else ""
    return f"{part.name} {part.examples:,} examples{patients}, {part.share:.1%} of the pairs, {part.epochs(pairs):.3g} epochs"


def _batches(cfg: Mapping[str, Any]) -> int:
    """Global batches of the whole run."""
    return int(cfg["trainer"]["max_steps"]) * int(cfg["trainer"].get("accumulate", 1))


def _last_checkpoint(folder: Path, begun: bool) -> Path | None:
    last = newest_good(folder / "checkpoints")
    if last is None and begun:
        log.warning("resume: %s holds no checkpoint yet, so the run starts from the beginning", folder)
    return last


def _show(folder: Path, bad: BadSamples) -> None:
    """The table in the terminal, and the page in the run folder; before them what of the data could not be used."""
    runs = find_runs(folder)
    console = Console()
    if bad.causes:
        console.print(f"bad examples: {bad.causes.total()} of {bad.read}: {bad.summary()}", markup=False, soft_wrap=True)
    if runs[0].results:
        console.print(leaderboard(runs, console.width))
    try:
        console.print(f"report: {write_page(runs, folder / 'report.html')}", soft_wrap=True)
    except OSError as error:
        log.warning(
            "%s could not be written (%s); make room, then: run.py task=report runs=%s", folder / "report.html", error.strerror, folder
        )
