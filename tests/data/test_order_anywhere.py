"""The order of training, read for real: the same for any number of workers and processes, on every kind of source."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest

from concord.data import Resample, Shuffle, Windows
from concord.data.order import Order
from concord.types import Batch
from tests.data.formats import make_module, open_format, write_formats
from tests.processes import run_on_ranks

BATCH, BATCHES = 12, 9  # more than two epochs of the smaller source
ORDERS: dict[str, Order] = {"shuffle": Shuffle(), "windows": Windows(2), "resample": Resample()}
CASES = [
    *((source, order, None) for source in ("shards", "parquet", "mixed") for order in ORDERS),
    ("stratified", "shuffle", None),
    ("single", "windows", None),
    ("shards", "shuffle", 24),
    ("mixed", "windows", 36),
]

Case = tuple[str, str, int | None]
Row = tuple[str, str, int, int]


def rows(batch: Batch) -> list[Row]:
    """What a batch holds: of each row the source, the key, and numbers that change with its crop and with its tokens."""
    tokens = batch.texts["caption"]
    pixels, ids = batch.images["image"].flatten(1).sum(dim=1), (tokens.ids * tokens.mask).sum(dim=1)
    return list(zip(batch.sources, batch.keys, pixels.tolist(), ids.tolist(), strict=True))


def stream(folder: Path, case: Case, workers: int) -> list[list[Row]]:
    """This process's part of the first batches."""
    source, order, pool = case
    data = make_module(open_format(source, folder), batch_size=BATCH, workers=workers, order=ORDERS[order], length_pool=pool)
    return [rows(batch) for batch in itertools.islice(data.train_dataloader(), BATCHES)]


def all_streams(folder: Path, cases: Iterable[Case]) -> list[list[list[Row]]]:
    return [stream(folder, case, workers=0) for case in cases]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    write_formats(folder)
    return folder


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_order_is_the_same_for_any_number_of_workers(folder: Path, case: Case) -> None:
    """Also for seven, which are more than the shards and the files."""
    alone = stream(folder, case, 0)
    for workers in (1, 4, 7):
        assert stream(folder, case, workers) == alone


@pytest.mark.parametrize("world", [2, 3])
def test_the_order_is_the_same_for_any_number_of_processes(folder: Path, tmp_path: Path, world: int) -> None:
    """Uneven shards and files: every process has as many batches of as many rows, which together are those of one process."""
    alone = all_streams(folder, CASES)
    parts = run_on_ranks(all_streams, world, tmp_path, folder, CASES)
    for number, batches in enumerate(alone):
        pieces = [part[number] for part in parts]
        assert {len(batch) for piece in pieces for batch in piece} == {BATCH // world}
        assert [[row for piece in pieces for row in piece[place]] for place in range(BATCHES)] == batches


def test_every_source_is_whole_in_its_first_epoch_of_the_order(folder: Path) -> None:
    sizes = {"shards": {"shards": 30}, "parquet": {"parquet": 33}, "mixed": {"s": 30, "p": 33}}
    for case in CASES[:9]:
        if case[1] == "resample":
            continue
        seen = [(source, key) for batch in stream(folder, case, 0) for source, key, _, _ in batch]
        for source, size in sizes[case[0]].items():
            keys = [key for name, key in seen if name == source]
            assert len(keys) >= size
            assert len(set(keys[:size])) == size


def test_visits_of_one_example_in_the_resampled_order_are_cropped_anew(folder: Path) -> None:
    crops: dict[str, list[int]] = {}
    for batch in stream(folder, ("shards", "resample", None), 0):
        for _, key, pixels, _ in batch:
            crops.setdefault(key, []).append(pixels)
    repeated = [found for found in crops.values() if len(found) > 1]
    assert len(repeated) > 10
    assert all(len(set(found)) > 1 for found in repeated)
