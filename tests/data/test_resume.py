"""Runs that are killed with SIGKILL in mid-epoch and resumed on another machine, so to say: every example exactly once."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from concord.data import TrainingOrder
from tests.data.formats import FILES, SHARDS, make_module, open_format, write_formats
from tests.data.resuming import CHECKPOINT_EVERY, ORDERS, Training, train
from tests.forked import SERVER
from tests.launched_processes import free_port

PATIENCE = 120  # seconds
SIZES = {"shards": sum(SHARDS), "s": sum(SHARDS), "parquet": sum(FILES), "p": sum(FILES)}

Example = tuple[str, str]


@dataclass(frozen=True)
class Case:
    """What is trained, and how before and after the kill.

    Attributes:
        kill: the step in which the run is killed.
        world, options: before.
        later_world, later_options: after; options that are not named stay.
    """

    source: str
    order: str
    kill: int
    world: int
    options: dict[str, Any]
    later_world: int
    later_options: dict[str, Any]


CASES = {
    "shards, other workers": Case("shards", "shuffle", 4, 1, {"batch_size": 6, "workers": 2}, 1, {"workers": 5}),
    "parquet, other processes and batch size": Case("parquet", "windows", 5, 1, {"batch_size": 6, "workers": 1}, 2, {"batch_size": 8}),
    "mixture, other processes and batch size": Case("mixed", "windows", 4, 2, {"batch_size": 8, "workers": 1}, 3, {"batch_size": 12}),
    "stratified mixture, fewer processes": Case("stratified", "shuffle", 5, 2, {"batch_size": 6, "workers": 0}, 1, {"workers": 2}),
    "pools, other processes": Case("shards", "shuffle", 4, 1, {"batch_size": 6, "workers": 2, "length_pool": 30}, 2, {"workers": 1}),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_formats(folder)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_killed_run_resumes_with_exactly_the_examples_that_it_has_not_seen(name: str, data: Path, tmp_path: Path) -> None:
    case = CASES[name]
    first = Training(case.source, case.order, data, tmp_path / "first", 10**6, case.world, hang_at=case.kill, options=case.options)
    run_and_kill(first)
    checkpoint = max(first.folder.glob("step=*.ckpt"), key=step_of)
    done, written = step_of(checkpoint), diary(first)
    assert done == CHECKPOINT_EVERY < max(written) == case.kill  # what came after the checkpoint is lost, and must come again
    assert all(done * case.options["batch_size"] % size for size in SIZES.values())  # in mid-epoch

    options = {**case.options, **case.later_options}
    last = done + 2 * sum(SIZES.values()) // options["batch_size"]
    second = Training(case.source, case.order, data, tmp_path / "second", last, case.later_world, checkpoint, options=options)
    run(second)
    resumed = diary(second)
    assert sorted(resumed) == list(range(done, last))

    seen = [example for step in range(done) for example in written[step]]
    seen += [example for step in range(done, last) for example in resumed[step]]
    check_every_key_once_per_epoch(seen)
    assert seen == expected(first, options, len(seen))


def check_every_key_once_per_epoch(seen: list[Example]) -> None:
    """None lost, none twice: of each source the first n are n different keys, and so are the next."""
    for source in {source for source, _ in seen}:
        keys, size = [key for name, key in seen if name == source], SIZES[source]
        assert len(keys) >= size
        epochs = [Counter(keys[start : start + size]) for start in range(0, len(keys) - size + 1, size)]
        assert all(len(epoch) == size for epoch in epochs)
        assert all(epoch.keys() == epochs[0].keys() for epoch in epochs)


def expected(training: Training, options: dict[str, Any], count: int) -> list[Example]:
    """The same examples, from the order alone."""
    source = open_format(training.source, training.data)
    module = make_module(source, order=ORDERS[training.order](), **options)
    order = TrainingOrder(module.sampling, len(source), options["batch_size"], pool=module._pool())
    rows = [row for start in range(0, count, options["batch_size"]) for row in order.rows(start)]
    pairs = [source[index] for _, index in rows[:count]]
    return [(pair.source, pair.key) for pair in pairs]


def test_the_accounting_sees_a_lost_key_and_a_repeated_one_in_an_order() -> None:
    whole = [("s", str(key)) for key in range(SIZES["s"])]
    check_every_key_once_per_epoch(whole * 2)
    for wrong in (whole[:-1], [*whole[:-1], whole[0]], [*whole[:5], *whole[4:-1]]):
        with pytest.raises(AssertionError):
            check_every_key_once_per_epoch(wrong)


def start(training: Training) -> list[Any]:
    """The processes of a training."""
    port = free_port()
    processes = [SERVER.Process(target=train, args=(training, rank, port)) for rank in range(training.world)]
    for process in processes:
        process.start()
    return processes


def run(training: Training) -> None:
    """Train to the end."""
    processes = start(training)
    try:
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0] * len(processes)
    finally:
        end(processes)


def run_and_kill(training: Training) -> None:
    """Train until every process has read a batch of the step at which it hangs, then kill all as `kill -9` does."""
    processes = start(training)
    try:
        deadline = time.monotonic() + PATIENCE
        while any(training.hang_at not in steps(training, rank) for rank in range(training.world)):
            assert all(process.is_alive() for process in processes), "the training ended by itself"
            assert time.monotonic() < deadline, "the training does not get on"
            time.sleep(0.01)
    finally:
        end(processes)
    assert {process.exitcode for process in processes} == {-9}


def end(processes: list[Any]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.join()


def steps(training: Training, rank: int) -> set[int]:
    """The steps of which a process has written down a batch."""
    return {line["step"] for line in lines(training.folder / f"{rank}.jsonl")}


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a diary; a process that was killed may leave a part of one."""
    text = path.read_text() if path.exists() else ""
    return (json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n"))


def diary(training: Training) -> dict[int, list[Example]]:
    """The examples of each step, in the order of the processes."""
    found: dict[int, list[Example]] = {}
    for rank in range(training.world):
        for line in lines(training.folder / f"{rank}.jsonl"):
            found.setdefault(line["step"], []).extend((source, key) for source, key in line["examples"])
    return found


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.stem.removeprefix("step="))
