"""What the training loop costs: `task=train` with all default callbacks and `metrics.csv` beside a bare PyTorch loop, on CPU.

    python tests/performance/loop_overhead.py
    python tests/performance/loop_overhead.py --sizes quickstart --rounds 8 --threads 1

Both sides train the same method from the same weights with the same optimizer, schedule and data loader (its reading processes
included), and write the same values at the same steps into a CSV file. The bare loop has nothing else: no guard against losses that
are not finite, no checkpoints, no progress line, no random states, no resumption. At the end every logged value, the rates and times
apart, and every weight of both must be equal, bit for bit.

Each side is a process of its own, and they take turns of a few steps, during which the other waits: what else the machine does meets
both alike. A step lasts from one batch to the next, so that the start and the end of a run do not count. Means are taken of as many
steps as lie between two log entries, so that the logging counts, and medians over these.

Two processes that compute the same differ by several percent for as long as they live, by where their memory lies. So there are
several rounds, each with two new processes, every other one begun by the suite, and the median over the rounds of the ratio of whole
steps is what is judged. Beside it stands what the loops do beside computing: a step without its forward and backward passes and
without waiting for data, in which the optimizer's step is left; its ratio is that of a bare step with the suite's loop in the place of
its own. `--against bare` puts a second bare loop in the place of the suite, to see how far equal things differ. The target is for the
quickstart; the small model, whose step takes milliseconds, is there to look closer.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import io
import logging
import multiprocessing
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier, Semaphore
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
from concord.training import seed_everything
from concord.types import Batch

TARGET = 1.03
SIZES = {"quickstart": ("experiment=quickstart", "benchmark=off"), "small": (*SMALL, "data.workers=1", "data.source.size=4096")}
TIMES = ("samples_per_second", "data_wait", "data/")
"""Logged values that are no function of the seed."""

TURN = 5
"""Steps of a turn; so few that the suite's watchdog does not take the other's turn for a step of its own that hangs."""
WARM = 30
"""Steps at the start that do not count."""


@dataclass
class Turns:
    """One side's part of taking turns, and what its turns took: seconds in all, and of these those of computing and of waiting."""

    together: Barrier
    own: Semaphore
    other: Semaphore
    taken: list[tuple[float, float]] = field(default_factory=list)
    aside: float = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose time does not count as the loop's own."""

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.aside += time.perf_counter() - started

        return call

    def loaded(self, loader: TrainingLoader) -> Iterator[Batch]:
        """The batches of a loader; a turn ends where the batch after its last step is asked for."""
        stream = iter(loader)
        fetch = self.timed(stream.__next__)
        batch = fetch()
        self.together.wait()  # both are ready, and have their first batch
        while True:
            self.own.acquire()
            started, self.aside = time.perf_counter(), 0.0
            for _ in range(TURN):
                yield batch
                batch = fetch()
            self.taken.append((time.perf_counter() - started, self.aside))
            self.other.release()


@dataclass
class Turned:
    """A loader that is read in turns."""

    loader: TrainingLoader
    turns: Turns

    def __iter__(self) -> Iterator[Batch]:
        return self.turns.loaded(self.loader)


def with_suite(cfg: dict[str, Any], parts: Parts, folder: Path, turns: Turns) -> None:
    """Train as `task=train` does."""
    loader = parts.data.train_dataloader
    parts.data.train_dataloader = lambda: Turned(loader(), turns)  # type: ignore[method-assign, return-value, assignment]
    with contextlib.redirect_stdout(io.StringIO()):  # the summary and the lines of progress
        fit(build_trainer(cfg, folder, parts), parts, None)


def with_bare_loop(cfg: dict[str, Any], parts: Parts, folder: Path, turns: Turns) -> None:
    """Train with PyTorch alone."""
    method, steps, log_every = parts.method, cfg["trainer"]["max_steps"], cfg["trainer"]["log_every"]
    objectives = dict(method.objectives.items())
    optimizer = method.optimizer_settings.build(method)
    schedule = method.schedule.build(optimizer, steps)
    method.train()
    stream = turns.loaded(parts.data.train_dataloader())
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


def run(side: str, cfg: dict[str, Any], folder: Path, threads: int, turns: Turns) -> None:
    """One side, in a process of its own: what its turns took, its weights and what it logged are left in its folder."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    seed_everything(cfg["seed"])
    parts = assemble(cfg, None)
    torch.Tensor.backward = turns.timed(torch.Tensor.backward)  # type: ignore[method-assign]
    for objective in parts.method.objectives.values():
        objective.forward = turns.timed(objective.forward)
    try:
        SIDES[side](cfg, parts, folder, turns)
    except BaseException:
        turns.together.abort()  # else the other side would wait for this one
        raise
    finally:
        turns.other.release()
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
    torch.save({"taken": turns.taken, "logged": columns, "weights": parts.method.state_dict()}, folder / "end.pt")


def require_same(ours: dict[str, Any], bare: dict[str, Any]) -> None:
    """Stop where the two did not train the same or did not log the same."""
    assert ours["logged"].keys() == bare["logged"].keys(), ours["logged"].keys() ^ bare["logged"].keys()
    for name, values in ours["logged"].items():  # in single precision, in which Lightning keeps them
        assert name.startswith(TIMES) or np.array_equal(np.float32(values), np.float32(bare["logged"][name])), name
    for name, weight in ours["weights"].items():
        assert torch.equal(weight, bare["weights"][name]), name


@dataclass(frozen=True)
class Cost:
    """Milliseconds of a step, and those that are the loop's own."""

    whole: float
    own: float

    @staticmethod
    def of(taken: list[tuple[float, float]], block: int) -> Cost:
        """Medians over blocks of steps, without the first ones."""
        turns, counted = block // TURN, taken[WARM // TURN :]
        blocks = [counted[start : start + turns] for start in range(0, len(counted) - turns + 1, turns)]
        whole = [1000 * sum(seconds for seconds, _ in turns_) / block for turns_ in blocks]
        own = [1000 * sum(seconds - aside for seconds, aside in turns_) / block for turns_ in blocks]
        return Cost(statistics.median(whole), statistics.median(own))


def round_of(cfg: dict[str, Any], sides: tuple[str, str], first: int, folder: Path, threads: int) -> tuple[Cost, Cost]:
    """What a step costs on each of two sides, the one or the other of which begins."""
    context = multiprocessing.get_context("spawn")
    together, semaphores = context.Barrier(2), [context.Semaphore(int(number == first)) for number in range(2)]
    processes = []
    for number in (first, 1 - first):
        place = folder / str(number)
        place.mkdir(parents=True)
        turns = Turns(together, semaphores[number], semaphores[1 - number])
        processes.append(context.Process(target=run, args=(sides[number], cfg, place, threads, turns)))
        processes[-1].start()
    for process in processes:
        process.join()
        assert process.exitcode == 0, f"a side ended with {process.exitcode}"
    bare, other = (torch.load(folder / str(number) / "end.pt", weights_only=True) for number in range(2))
    require_same(other, bare)
    block = cfg["trainer"]["log_every"]
    return Cost.of(bare["taken"], block), Cost.of(other["taken"], block)


def measure(size: str, arguments: argparse.Namespace, folder: Path) -> float:
    """Print what a step costs on both sides; the median ratio of whole steps."""
    cfg = compose_config(*SIZES[size], f"trainer.max_steps={arguments.steps}", "trainer.accelerator=cpu")
    block, pairs = cfg["trainer"]["log_every"], cfg["data"]["batch_size"]
    assert block % TURN == 0
    assert WARM % block == 0
    other = arguments.against
    print(f"\n{size}: {arguments.steps} steps of {pairs} pairs a round, every {block}th logged; the same weights and values")
    print(f"{'':7s} {'ms a step: bare':>15s} {other:>7s} {'ratio':>6s}    {'loop alone: bare':>16s} {other:>7s} {'ratio':>6s}", flush=True)
    whole, alone = [], []
    for number in range(arguments.rounds):
        bare, ours = round_of(cfg, ("bare", other), number % 2, folder / size / str(number), arguments.threads)
        whole.append(ours.whole / bare.whole)
        alone.append((bare.whole + ours.own - bare.own) / bare.whole)
        spent = f"{bare.whole:15.2f} {ours.whole:7.2f} {whole[-1]:6.3f}    {bare.own:16.2f} {ours.own:7.2f} {alone[-1]:6.3f}"
        print(f"{number + 1:7d} {spent}", flush=True)
    print(f"{'median':7s} {'':15s} {'':7s} {statistics.median(whole):6.3f}    {'':16s} {'':7s} {statistics.median(alone):6.3f}", flush=True)
    return statistics.median(whole)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--against", choices=list(SIDES), default="suite", help="what stands beside the bare loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="of each round")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    print(f"{describe()}, {arguments.threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        ratios = {size: measure(size, arguments, Path(folder)) for size in arguments.sizes}
    print(f"\ntarget: at most {TARGET} for the quickstart")
    return 0 if ratios.get("quickstart", 1.0) <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
