"""What the training loop costs: `task=train` with all default callbacks and `metrics.csv` beside a bare PyTorch loop, on CPU.

    python tests/performance/loop_overhead.py
    python tests/performance/loop_overhead.py --sizes quickstart --steps 400 --rounds 5 --threads 1

Both sides train the same method from the same weights with the same optimizer, schedule and data loader (its reading processes
included), and write the same values at the same steps into a CSV file. The bare loop has nothing else: no guard against losses that
are not finite, no checkpoints, no progress line, no random states, no resumption. Both run in this process in turns; the first turn
of each only warms up. Afterwards every logged value, the rates and times apart, and every weight of both must be equal, bit for bit.

A step lasts from one batch to the next, so that the start and the end of a run do not count. Means of as many steps as lie between
two log entries are taken, then the median over these and over the rounds, so that the logging counts and a step that another program
disturbed does not. Processor seconds are those of this process, reading processes left out; they say more than the clock where other
programs hold the cores. The target is for the quickstart; the small model, whose step takes milliseconds, shows what the loop costs
by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.composing import SMALL, compose_config

from concord.data import TrainingLoader
from concord.distributed import Ranks
from concord.functional.collapse import mean_cosine, participation_ratio
from concord.objectives import Step, Terms
from concord.tasks.assemble import Parts, assemble
from concord.tasks.train import build_trainer, fit
from concord.tokenizers import Tokenizer
from concord.training import seed_everything
from concord.types import Batch

TARGET = 1.03
SIZES = {"quickstart": ("experiment=quickstart", "benchmark=off"), "small": (*SMALL, "data.workers=1", "data.source.size=4096")}
TIMES = ("samples_per_second", "data_wait", "data/")
"""Logged values that are no function of the seed."""

Stamp = tuple[float, float]


class StampedLoader:
    """A loader that notes the time by the clock and the processor seconds at which each batch is asked for."""

    def __init__(self, loader: TrainingLoader, stamps: list[Stamp]) -> None:
        self.loader = loader
        self.stamps = stamps

    def __iter__(self) -> Iterator[Batch]:
        stream = iter(self.loader)
        while True:
            self.stamps.append((time.perf_counter(), time.process_time()))
            yield next(stream)


def with_suite(cfg: dict[str, Any], parts: Parts, folder: Path) -> list[Stamp]:
    """Train as `task=train` does."""
    stamps: list[Stamp] = []
    loader = parts.data.train_dataloader
    parts.data.train_dataloader = lambda: StampedLoader(loader(), stamps)  # type: ignore[method-assign, return-value, assignment]
    with contextlib.redirect_stdout(io.StringIO()):  # the summary and the lines of progress
        fit(build_trainer(cfg, folder, parts), parts, None)
    return stamps


def with_bare_loop(cfg: dict[str, Any], parts: Parts, folder: Path) -> list[Stamp]:
    """Train with PyTorch alone."""
    stamps: list[Stamp] = []
    method, steps, log_every = parts.method, cfg["trainer"]["max_steps"], cfg["trainer"]["log_every"]
    objectives = dict(method.objectives.items())
    optimizer = method.optimizer_settings.build(method)
    schedule = method.schedule.build(optimizer, steps)
    method.train()
    stream = iter(StampedLoader(parts.data.train_dataloader(), stamps))
    log = CSVLog(folder / "metrics.csv")
    since = waited = 0.0
    for done in range(1, steps + 1):
        before = time.perf_counter()
        batch = next(stream)
        waited += time.perf_counter() - before
        if done == 1:
            seed_everything(cfg["seed"], 0)
            since = time.perf_counter()
        step = Step(method.model, batch, Ranks(0, 1))
        terms = {name: objective(step) for name, objective in objectives.items()}
        loss = torch.stack([objectives[name].weight * term.loss for name, term in terms.items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        values = logged(parts, optimizer, loss, terms, step) if done % log_every == 0 else {}
        optimizer.step()
        schedule.step()
        method.model.similarity.clamp_()
        for objective in objectives.values():
            objective.after_step(method.model, done / steps)
        if values:
            seconds = time.perf_counter() - since
            values |= {"samples_per_second": log_every * len(batch) / seconds, "data_wait": waited / seconds}
            log.write({"step": done, **values})
            since, waited = time.perf_counter(), 0.0
    next(stream)  # the last step ends where the next batch is asked for
    log.close()
    return stamps


@torch.no_grad()
def logged(parts: Parts, optimizer: torch.optim.Optimizer, loss: Tensor, terms: Mapping[str, Terms], step: Step) -> dict[str, float]:
    """What a step writes down, before the optimizer's step."""
    scale = parts.method.model.similarity.scale
    norm = torch.nn.utils.get_total_norm([w.grad for group in optimizer.param_groups for w in group["params"] if w.grad is not None])
    values = {"loss": loss, "logit_scale": scale, "gradient_norm": norm, "learning_rate": optimizer.param_groups[0]["lr"]}
    for name, term in terms.items():
        weight = parts.method.objectives[name].weight
        values |= {f"loss/{name}": term.loss, f"weight/{name}": weight, f"contribution/{name}": weight * term.loss}
        values |= {f"{name}/{key}": value for key, value in term.logs.items()}
    for view, embeddings in step.embedded.items():
        vectors = embeddings.vectors[:256]
        values |= {f"embedding_cosine/{view}": mean_cosine(vectors), f"embedding_rank/{view}": participation_ratio(vectors)}
    values |= {f"data/{name}": value for name, value in parts.data.report().values().items()}
    return {name: float(value) for name, value in values.items()} | {"data/bad": float(parts.data.bad.causes.total())}


class CSVLog:
    """A CSV file whose columns are those of the first row."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", newline="")
        self._writer: csv.DictWriter[str] | None = None

    def write(self, row: dict[str, Any]) -> None:
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row))
            self._writer.writeheader()
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


SIDES = {"bare": with_bare_loop, "suite": with_suite}


def run(side: str, cfg: dict[str, Any], folder: Path, tokenizer: Tokenizer | None) -> tuple[list[Stamp], Parts, dict[str, list[Any]]]:
    """One training run: when its batches were asked for, the trained parts, and what was logged, by column."""
    seed_everything(cfg["seed"])
    parts = assemble(cfg, tokenizer)
    stamps = SIDES[side](cfg, parts, folder)
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return stamps, parts, {name: [float(row[name]) for row in rows] for name in rows[0]}


def require_same(ours: tuple[Any, Parts, dict[str, list[Any]]], bare: tuple[Any, Parts, dict[str, list[Any]]]) -> None:
    """Stop where the two did not train the same or did not log the same."""
    assert ours[2].keys() == bare[2].keys(), ours[2].keys() ^ bare[2].keys()
    for name, values in ours[2].items():  # in single precision, in which Lightning keeps them
        assert name.startswith(TIMES) or np.array_equal(np.float32(values), np.float32(bare[2][name])), name
    weights: dict[str, Tensor] = bare[1].method.state_dict()
    for name, weight in ours[1].method.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def seconds_per_step(stamps: list[Stamp], block: int, which: int) -> list[float]:
    """Means over blocks of steps, without the first block."""
    times = [stamp[which] for stamp in stamps]
    return [(times[i + block] - times[i]) / block for i in range(block, len(times) - block, block)]


def measure(size: str, arguments: argparse.Namespace, folder: Path) -> float:
    """Print a line for each side; return the ratio of the processor seconds of a step, suite over bare loop."""
    cfg = compose_config(*SIZES[size], f"trainer.max_steps={arguments.steps}", "trainer.accelerator=cpu")
    block = cfg["trainer"]["log_every"]
    tokenizer: Tokenizer | None = None
    blocks: dict[tuple[str, int], list[list[float]]] = {(side, which): [] for side in SIDES for which in (0, 1)}
    for number in range(arguments.rounds + 1):
        runs = {}
        for side in SIDES if number % 2 == 0 else reversed(SIDES):
            runs[side] = run(side, cfg, folder / f"{size}_{side}_{number}", tokenizer)
            tokenizer = runs[side][1].tokenizer
            if number > 0:
                for which in (0, 1):
                    blocks[side, which].append(seconds_per_step(runs[side][0], block, which))
        require_same(runs["suite"], runs["bare"])
    print(f"\n{size}: {arguments.steps} steps of {cfg['data']['batch_size']} pairs, every {block}th logged; the same weights and values")
    print(f"{'':<8}{'ms a step':>12}{'processor ms':>14}")
    middle = {key: statistics.median(value for one in found for value in one) * 1e3 for key, found in blocks.items()}
    for side in SIDES:
        print(f"{side:<8}{middle[side, 0]:>12.2f}{middle[side, 1]:>14.2f}")
    ratios = [middle["suite", which] / middle["bare", which] for which in (0, 1)]
    each = zip(blocks["suite", 1], blocks["bare", 1], strict=True)
    rounds = " ".join(f"{statistics.median(ours) / statistics.median(theirs):.3f}" for ours, theirs in each)
    print(f"{'ratio':<8}{ratios[0]:>12.3f}{ratios[1]:>14.3f}   processors, each round: {rounds}")
    return ratios[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    print(f"{describe()}, {arguments.threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        ratios = {size: measure(size, arguments, Path(folder)) for size in arguments.sizes}
    print(f"\ntarget: at most {TARGET} for the quickstart")
    return 0 if ratios.get("quickstart", 1.0) <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
