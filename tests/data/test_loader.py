from __future__ import annotations

import itertools
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import getstate

import pytest
import torch

from concord.data import Augmentation, BadSample, BadSamples, Shuffle, Source, TrainingLoader, TrainingOrder, Views
from concord.data.stages import STAGES
from concord.errors import DataError
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import Batch, ImageView, Pair, TextView
from tests.data.samples import WORDS, Grey, encode

Make = Callable[..., TrainingLoader]


@pytest.fixture
def make(tokenizer: BPETokenizer, preprocess: Preprocess, recipes: dict[str, Augmentation]) -> Make:
    def make(source: Source, batch_size: int = 4, rank: int = 0, world: int = 1, **options: object) -> TrainingLoader:
        views = Views(
            {"image": ImageView("weak")}, {"caption": TextView("caption"), "negatives": TextView("swapped")}, recipes, preprocess, tokenizer
        )
        order = TrainingOrder(Shuffle().over(source, "0"), len(source), batch_size, rank, world)
        return TrainingLoader(source, order, views, **options)  # type: ignore[arg-type]

    return make


def take(loader: TrainingLoader, count: int) -> list[Batch]:
    return list(itertools.islice(loader, count))


def same(a: Batch, b: Batch) -> bool:
    tensors = [(a.images["image"], b.images["image"]), (a.valid["negatives"], b.valid["negatives"])]
    tensors += [(a.texts[name].ids, b.texts[name].ids) for name in a.texts]
    return a.keys == b.keys and a.sources == b.sources and all(torch.equal(x, y) for x, y in tensors)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_the_same_for_any_number_of_workers_and_any_start(make: Make, workers: int) -> None:
    source = Grey(22, bad=frozenset({3, 11}))
    reference = take(make(source, max_bad_share=1.0), 13)  # more than two epochs
    found = take(make(source, workers=workers, prefetch=3, max_bad_share=1.0), 13)
    assert all(map(same, reference, found))
    assert all(map(same, reference[7:], take(make(source, start=7 * 4, workers=workers, max_bad_share=1.0), 6)))


def test_ranks_together_read_the_global_batch(make: Make) -> None:
    source = Grey(22, bad=frozenset({5}))
    whole = take(make(source, 6), 8)
    parts = [take(make(source, 6, rank, 3), 8) for rank in range(3)]
    for batch, *pieces in zip(whole, *parts, strict=True):
        assert batch.keys == [key for piece in pieces for key in piece.keys]
        assert torch.equal(batch.images["image"], torch.cat([piece.images["image"] for piece in pieces]))


def test_an_epoch_holds_every_good_example_and_batches_stay_full(make: Make) -> None:
    source = Grey(24, bad=frozenset({0, 9}))
    loader = make(source, max_bad_share=1.0)
    keys = [key for batch in take(loader, 6) for key in batch.keys]
    assert len(keys) == 24
    assert set(keys) == {str(index) for index in range(24)} - {"0", "9"}
    assert loader.bad.causes == {"no image": 2}
    assert loader.bad.share == 2 / 26


def test_a_replacement_stands_in_the_same_row_of_a_later_batch(make: Make) -> None:
    bad = frozenset({1, 2, 3, 4, 5})
    source = Grey(80, bad=bad)
    loader = make(source, 8, max_bad_share=1.0)
    order = TrainingOrder(Shuffle().over(source, "0"), 80, 8)
    for number, batch in enumerate(take(loader, 6)):
        for row, key in enumerate(batch.keys):
            stands = (order.rows(8 * later)[row][1] for later in range(number, 10))
            assert key == str(next(index for index in stands if index not in bad))
        assert len(set(batch.keys)) == 8
    assert loader.bad.causes.total() > 0


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_bad_examples_stop_the_run_with_the_counts(make: Make, workers: int, caplog: pytest.LogCaptureFixture) -> None:
    loader = make(Grey(400, bad=frozenset(range(0, 400, 5))), 16, workers=workers)
    seen: list[str] = []
    allowed = r"of \d+ examples are bad, data.max_bad_share allows 5.0%: \d+ x no image, such as \d+"
    with caplog.at_level(logging.WARNING), pytest.raises(DataError, match=allowed) as caught:
        seen.extend(key for batch in loader for key in batch.keys)
    assert 60 <= len(seen) <= 120  # not before 100 were read
    assert "\n" not in str(caught.value)
    assert caplog.text.count("bad example") == 1


def test_data_of_nothing_but_bad_examples_end_at_once(make: Make) -> None:
    for workers in (0, 1):
        with pytest.raises(DataError, match=r"100 bad examples in a row.*100 x no image") as caught:
            take(make(Grey(8, bad=frozenset(range(8))), workers=workers), 1)
        assert "Traceback" not in str(caught.value)


def test_a_few_bad_examples_are_only_counted(make: Make) -> None:
    loader = make(Grey(200, bad=frozenset({7})), 10)
    take(loader, 60)
    assert loader.bad.causes["no image"] in (2, 3, 4)
    assert loader.bad.summary().endswith("x no image, such as 7: no image")


def test_counts() -> None:
    bad = BadSamples()
    assert bad.summary() == "none"
    bad.add(60, [BadSample("x", "a"), BadSample("y", "b", "why"), BadSample("x", "c")])
    bad.check(0.0)  # too few to judge
    assert bad.summary() == "2 x x, such as a: x; 1 x y, such as b: y (why)"
    bad.add(37, [])
    bad.check(0.03)
    with pytest.raises(DataError, match=r"3\.0% of 100 examples are bad"):
        bad.check(0.02)


def test_reading_leaves_the_global_generators_alone(make: Make) -> None:
    before = torch.get_rng_state(), getstate()
    take(make(Grey(20)), 6)
    take(make(Grey(20), workers=1), 6)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == getstate()


class Vanishing(Grey):
    """A source whose storage fails for good, as a network folder does."""

    def __getitem__(self, index: int) -> Pair:
        raise BadSample("shard cannot be read (FileNotFoundError)", str(index))


def test_a_source_that_disappears_ends_the_run(make: Make) -> None:
    def stream() -> Iterator[Batch]:
        yield from make(Vanishing(50), workers=2)

    with pytest.raises(DataError, match="shard cannot be read"):
        next(stream())


class Encoded(Grey):
    """Pictures as a file holds them, with captions that are far too long."""

    def __getitem__(self, index: int) -> Pair:
        time.sleep(0.002)
        return Pair(encode(index), (" ".join(WORDS) * 8,), str(index), self.name)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_report_says_what_the_batches_took(make: Make, workers: int) -> None:
    loader = make(Encoded(40), 4, workers=workers)
    stream = iter(loader)
    for _ in range(5):
        next(stream)
    report = loader.report()
    assert report.examples == 20
    assert set(report.stages) == set(STAGES)
    assert report.milliseconds("read") >= 2.0
    assert all(report.milliseconds(stage) > 0 for stage in (*STAGES, "wait"))
    assert report.read_bytes == sum(len(encode(int(key))) for key in itertools.chain(*(batch.keys for batch in take(make(Encoded(40)), 5))))
    assert report.captions == 40  # the caption and its negative
    assert report.truncated_share == 1.0
    assert len(report.busy) == max(1, workers)
    assert all(0 < share <= 1 for share in report.busy)
    if workers == 0:  # what the only process reads, it waits for
        assert sum(report.stages.values()) <= report.waited <= report.seconds
    next(stream)
    assert loader.report().examples == 4  # since the last report


class Short(Grey):
    def __getitem__(self, index: int) -> Pair:
        return replace(super().__getitem__(index), captions=("a red circle",))


def test_captions_that_fit_are_not_counted_as_cut(make: Make) -> None:
    loader = make(Short(20))
    take(loader, 2)
    report = loader.report()
    assert (report.captions, report.truncated) == (16, 0)
    assert report.read_bytes == 0  # its images are no files


class Deadly(Grey):
    """A source whose third example ends the process that reads it, as the system does when memory runs out."""

    def location(self, index: int) -> str:
        return f"shard-{index}.tar"

    def __getitem__(self, index: int) -> Pair:
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_killed_is_an_error_of_one_line_with_what_it_read(make: Make, workers: int) -> None:
    with pytest.raises(DataError) as caught:
        take(make(Deadly(12), workers=workers), 12)
    message = str(caught.value)
    assert re.search(r"data worker \d+ was ended by the system \(Killed\) while it was in stage read of example 3 \(shard-3.tar\)", message)
    assert "memory" in message
    assert "data.workers" in message
    assert "\n" not in message


def test_the_cause_is_told_without_pytorchs_handler_too(make: Make) -> None:
    take(make(Grey(4), workers=1), 1)  # PyTorch sets its handler once in a process
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # and Lightning replaces it when a trainer is done
    try:
        with pytest.raises(DataError, match=r"data worker \d+ was ended by the system \(Killed\) while it was in stage read of example 3"):
            take(make(Deadly(12), workers=2), 12)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_other_errors_are_not_explained(make: Make) -> None:
    assert make(Grey(8)).explain(RuntimeError("CUDA error: device-side assert triggered")) is None


class Broken(Grey):
    def __getitem__(self, index: int) -> Pair:
        raise RuntimeError("a mistake in the source")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_mistake_in_a_source_keeps_its_own_error(make: Make, workers: int) -> None:
    with pytest.raises(RuntimeError, match="a mistake in the source"):
        take(make(Broken(8), workers=workers), 1)
