from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.config import build
from concord.data import (
    Augmentation,
    HashSplit,
    KeyedSource,
    Mixture,
    Resample,
    Shuffle,
    TrainingLoader,
    TrainingOrder,
    Views,
    WebDataModule,
    Windows,
)
from concord.data.mixture import MixedBatches, sampling_of
from concord.data.order import Order, Visits
from concord.data.source import Blocked
from concord.errors import CheckpointError, ConfigError
from concord.images import Preprocess
from concord.tasks.assemble import check_config
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, TextView
from tests.composing import compose_config
from tests.data.samples import Grey, encode, write_tar

BATCHES: tuple[MixedBatches, ...] = ("mixed", "stratified", "single")


def mixture(batches: MixedBatches = "mixed", **weights: float) -> Mixture:
    """Sources of 30, 100 and 7 examples."""
    sizes = {"a": 30, "b": 100, "c": 7}
    return Mixture({name: Grey(sizes[name]) for name in weights or sizes}, weights or None, batches=batches)


def by_source(mixed: Mixture, visits: Visits) -> dict[str, list[tuple[int, int]]]:
    """Epochs and indices within each source, in their order."""
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in mixed.sources}
    names = list(mixed.sources)
    starts = dict(zip(names, np.cumsum([0, *map(len, mixed.sources.values())])[:-1].tolist(), strict=True))
    for epoch, index in zip(visits.epochs.tolist(), visits.indices.tolist(), strict=True):
        name = max((name for name in names if starts[name] <= index), key=lambda name: starts[name])
        found[name].append((epoch, index - starts[name]))
    return found


@pytest.mark.parametrize("batches", BATCHES)
@pytest.mark.parametrize("order", [Shuffle(), Windows(2), Resample()])
def test_each_source_goes_through_its_own_order(batches: MixedBatches, order: Order) -> None:
    """What a mixture takes from a source is what the source gives by itself, from its first draw on."""
    mixed = mixture(batches, a=3.0, b=2.0, c=1.0)
    found = by_source(mixed, mixed.sampling(order, "0", 12)(np.arange(1200)))
    for name, visits in found.items():
        epochs, indices = order.over(mixed.sources[name], f"0/{name}")(np.arange(len(visits)))
        assert visits == list(zip(epochs.tolist(), indices.tolist(), strict=True))


@pytest.mark.parametrize("batches", BATCHES)
def test_every_source_is_seen_whole_in_each_of_its_epochs_in_this_order(batches: MixedBatches) -> None:
    mixed = mixture(batches, a=3.0, b=2.0, c=1.0)
    for name, visits in by_source(mixed, mixed.sampling(Shuffle(), "0", 12)(np.arange(3600))).items():
        size = len(mixed.sources[name])
        assert len(visits) >= 2 * size
        for epoch in range(len(visits) // size):
            assert sorted(visits[epoch * size : (epoch + 1) * size]) == [(epoch, index) for index in range(size)]


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(BATCHES), st.integers(1, 40), st.lists(st.integers(0, 10**7), min_size=1, max_size=10))
def test_any_position_of_a_mixed_order_is_the_same_by_itself(batches: MixedBatches, batch_size: int, positions: list[int]) -> None:
    mixed = mixture(batches, a=1.0, b=5.0, c=2.0)
    together = mixed.sampling(Shuffle(), "0", batch_size)(np.array(positions))
    for place, position in enumerate(positions):
        alone = mixed.sampling(Shuffle(), "0", batch_size)(np.array([position]))
        assert (alone.epochs[0], alone.indices[0]) == (together.epochs[place], together.indices[place])


def test_shares_are_those_of_the_weights() -> None:
    assert mixture().shares == pytest.approx({"a": 30 / 137, "b": 100 / 137, "c": 7 / 137})
    assert mixture(a=2, b=1).shares == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    flat = Mixture({"a": Grey(100), "b": Grey(1)}, temperature=2.0).shares
    assert flat == pytest.approx({"a": 10 / 11, "b": 1 / 11})
    assert Mixture({"a": Grey(9), "b": Grey(9)}, {"b": 1e-3, "a": 1e3}, temperature=1e9).shares == pytest.approx({"a": 0.5, "b": 0.5})


@pytest.mark.parametrize("batches", BATCHES)
def test_the_order_holds_the_shares(batches: MixedBatches) -> None:
    mixed = mixture(batches, a=0.7, b=0.2, c=0.1)
    visits = mixed.sampling(Shuffle(), "0", 10)(np.arange(20_000))
    counts = {name: len(found) for name, found in by_source(mixed, visits).items()}
    for name, share in mixed.shares.items():
        independent = 4 * np.sqrt(share * (1 - share) * 20_000 * (10 if batches == "single" else 1))
        assert abs(counts[name] - share * 20_000) <= (0 if batches == "stratified" else independent)


def test_batches_are_of_one_source_or_hold_the_same_shares_of_the_order() -> None:
    for batches in ("single", "stratified"):
        mixed = mixture(batches, a=0.5, b=0.3, c=0.2)
        order = TrainingOrder(mixed.sampling(Shuffle(), "0", 10), len(mixed), 10)
        for start in range(0, 500, 10):
            names = Counter(mixed[index].source for _, index in order.rows(start))
            assert names == {"a": 5, "b": 3, "c": 2} if batches == "stratified" else list(names.values()) == [10]


class Keyed(Grey):
    block_sizes = (4, 6)

    def key(self, index: int) -> str:
        return f"key {index}"

    def captions(self, index: int) -> tuple[str, ...]:
        return (f"caption {index}",)


def test_a_mixture_is_a_source() -> None:
    mixed = Mixture({"x": Grey(3), "y": Keyed(10)})
    assert len(mixed) == 13
    assert mixed.name == "x+y"
    assert [mixed[index].source for index in range(13)] == ["x"] * 3 + ["y"] * 10
    assert [mixed[index].key for index in (0, 2, 3, 12)] == ["0", "2", "0", "9"]
    assert isinstance(mixed, KeyedSource)
    assert isinstance(mixed, Blocked)
    assert mixed.block_sizes == [3, 4, 6]
    assert (mixed.key(2), mixed.key(3)) == ("2", "key 0")  # read, where the source cannot tell without reading
    assert (mixed.captions(12), mixed.captions(0)) == (("caption 9",), Grey(3)[0].captions)


def test_a_bad_example_is_replaced_from_its_own_source(
    tokenizer: BPETokenizer, preprocess: Preprocess, recipes: dict[str, Augmentation]
) -> None:
    mixed = Mixture({"a": Grey(400, bad=frozenset(range(0, 400, 3))), "b": Grey(40)}, {"a": 1, "b": 1}, batches="stratified")
    views = Views({"image": ImageView("plain")}, {"caption": TextView("caption")}, recipes, preprocess, tokenizer)
    order = TrainingOrder(mixed.sampling(Shuffle(), "0", 8), len(mixed), 8)
    loader = TrainingLoader(mixed, order, views, max_bad_share=1.0)
    for _, batch in zip(range(10), loader, strict=False):
        assert Counter(batch.sources) == {"a": 4, "b": 4}
        assert len(set(zip(batch.sources, batch.keys, strict=True))) == 8
    assert loader.bad.causes.total() > 10


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"sources": {}}, "sources must name at least one"),
    ({"sources": {"a": Grey(0)}}, "sources: a holds no example"),
    ({"sources": {"a": Mixture({"b": Grey(2)})}}, "sources: a is a mixture itself"),
    ({"weights": {"cc3m": 1.0, "cc21m": 1.0}}, r"weights: there is no source cc21m; did you mean cc12m"),
    ({"weights": {"cc3m": 1.0}}, "weights: source cc12m has none; give one to each of cc3m, cc12m"),
    ({"weights": {"cc3m": 1.0, "cc12m": 0.0}}, "weights: cc12m must be positive and finite, got 0.0"),
    ({"weights": {"cc3m": 1.0, "cc12m": float("nan")}}, "weights: cc12m must be positive and finite, got nan"),
    ({"weights": {"cc3m": 1.0, "cc12m": float("inf")}}, "weights: cc12m must be positive and finite, got inf"),
    ({"weights": {"cc3m": 1.0, "cc12m": 1e-7}}, r"weights: cc12m has a share of 1\.0e-07, less than one in 100,000"),
    ({"temperature": 0.0}, "temperature must be positive and finite, got 0.0"),
]


@pytest.mark.parametrize(("arguments", "complaint"), REFUSALS)
def test_refusals(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        Mixture(**{"sources": {"cc3m": Grey(5), "cc12m": Grey(5)}, **arguments})
    assert "\n" not in str(caught.value)


def test_a_selection_from_a_mixture_is_refused_and_a_mixture_of_selections_is_not() -> None:
    split = HashSplit(Mixture({"a": Keyed(10), "b": Keyed(10)}), "train", 0.3)
    with pytest.raises(ConfigError, match="wrap each of its sources instead"):
        sampling_of(split, Shuffle(), "0", 2)
    mixed = Mixture({"a": HashSplit(Keyed(10), "train", 0.3), "b": Keyed(10)})
    assert sampling_of(mixed, Shuffle(), "0", 2).settings()["source.sources.b.examples"] == 10


def module(source: Mixture, **options: Any) -> WebDataModule:
    return WebDataModule(source, {}, **{"batch_size": 4, **options})


OTHERS: list[tuple[Mixture, Mixture, dict[str, Any], str]] = [
    (mixture(a=2, b=1), mixture(a=1, b=1), {}, r"source\.weights\.a=0\.666667, this run has 0\.5"),
    (mixture(a=2, b=1), mixture("single", a=2, b=1), {}, r"source\.batches=mixed, this run has single"),
    (mixture(a=2, b=1), mixture(a=2, c=1), {}, r"source\.sources\.c\.examples=null, this run has 7"),
    (mixture("single"), mixture("single"), {"batch_size": 8}, "batch_size=4, this run has 8"),
    (mixture("stratified"), mixture("stratified"), {"batch_size": 8}, "batch_size=4, this run has 8"),
]


@pytest.mark.parametrize(("before", "now", "options", "complaint"), OTHERS)
def test_another_mixture_is_not_resumed(before: Mixture, now: Mixture, options: dict[str, Any], complaint: str) -> None:
    state = module(before).state_dict()
    module(before).load_state_dict(state)
    with pytest.raises(CheckpointError, match=rf"trained with data\.{complaint}"):
        module(now, **options).load_state_dict(state)


def test_another_batch_size_is_resumed_where_the_order_allows_it() -> None:
    module(mixture(), batch_size=8).load_state_dict(module(mixture()).state_dict())


def test_pools_need_a_mixture_whose_batches_are_not_formed_by_source() -> None:
    with pytest.raises(ConfigError, match=r"data\.length_pool would undo the batches of data\.source\.batches"):
        module(mixture("single"), length_pool=8)


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    files = []
    for name, count in (("one", 5), ("two", 9)):
        members = [
            (f"{key}.{suffix}", content) for key in range(count) for suffix, content in (("png", encode()), ("txt", f"a star {key}"))
        ]
        files.append(write_tar(tmp_path / name / "00000.tar", members))
    return files


def overrides(files: list[Path]) -> list[str]:
    return [
        "data=mixture",
        "+source@data.source.sources.a=shards",
        f"data.source.sources.a.path={files[0]}",
        "+source@data.source.sources.b=shards",
        f"data.source.sources.b.path={files[1]}",
        "data.batch_size=2",
    ]


def test_a_mixture_from_the_command_line(shards: list[Path]) -> None:
    cfg = compose_config(*overrides(shards), "data.source.weights={a:2,b:1}", "data.source.batches=stratified", "order@data.order=windows")
    check_config(cfg)
    data = build(cfg["data"], "data")
    assert {name: len(source) for name, source in data.source.sources.items()} == {"a": 5, "b": 9}
    assert data.source.shares == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert data.state_dict()["settings"]["order"] == "windows"


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("data.source.weights={a:2,d:1}", "data.source: weights: there is no source d; valid: a, b"),
        ("data.source.weights={a:2}", "data.source: weights: source b has none"),
        ("data.source.weights={a:2,b:-1}", "data.source: weights: b must be positive and finite, got -1"),
        ("data.source.weights={a:2,b:many}", "data.source.weights: expected dict.* or null, got"),
        ("data.source.batches=any", "data.source.batches: expected one of mixed, stratified, single, got 'any'"),
    ],
)
def test_mistakes_on_the_command_line(shards: list[Path], override: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build(compose_config(*overrides(shards), override)["data"], "data")


def test_the_plan_lists_the_sources(
    shards: list[Path], tokenizer: BPETokenizer, preprocess: Preprocess, recipes: dict[str, Augmentation]
) -> None:
    data = WebDataModule(mixture(a=3, b=1), recipes, batch_size=4)
    data.setup_views({"image": ImageView("plain")}, {"caption": TextView("caption")}, tokenizer, preprocess)
    first, second = data.plan().parts
    assert (first.name, first.examples, first.share) == ("a", 30, 0.75)
    assert (second.name, second.examples, second.share) == ("b", 100, 0.25)
    assert first.epochs(pairs=400) == pytest.approx(10)
