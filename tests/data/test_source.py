from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from concord.data import BadSample
from concord.data.source import (
    PROBED,
    Blocked,
    Composed,
    Source,
    block_sizes,
    captions_at,
    digest,
    fingerprint_of,
    key_of,
    location_of,
    metadata_at,
    number_for,
    probes,
    read_captions,
    require_captions,
)
from concord.errors import DataError
from concord.types import Pair
from tests.data.samples import Grey


class Telling(Grey):
    """Tells everything without reading an image."""

    def __getitem__(self, index: int) -> Pair:
        raise AssertionError("the image was read")

    def key(self, index: int) -> str:
        return f"key {index}"

    def captions(self, index: int) -> tuple[str, ...]:
        if index in self.bad:
            raise BadSample("no caption", self.key(index))
        return (f"caption {index}",)

    def metadata(self, index: int) -> Mapping[str, Any]:
        return {"index": index}

    def location(self, index: int) -> str:
        return f"shard {index // 10}"

    def fingerprint(self) -> str:
        return str(self.size)

    @property
    def block_sizes(self) -> list[int]:
        return [10] * (self.size // 10)


def test_the_cheapest_way_is_taken() -> None:
    source: Source = Telling(20)
    assert key_of(source, 3) == "key 3"
    assert captions_at(source, 3) == read_captions(source, 3) == ("caption 3",)
    assert metadata_at(source, 3) == {"index": 3}
    assert location_of(source, 13) == "shard 1"
    assert fingerprint_of(source) == "20"
    assert block_sizes(source) == [10, 10]


def test_a_source_that_tells_nothing_is_read() -> None:
    source: Source = Grey(20)
    assert not isinstance(source, Blocked | Composed)
    assert key_of(source, 3) == "3"
    assert captions_at(source, 3) == source[3].captions
    assert metadata_at(source, 3) == {}
    assert location_of(source, 3) == "grey"
    assert fingerprint_of(source) is None
    assert block_sizes(source) == [20]


def test_captions_of_an_example_that_cannot_be_read() -> None:
    source = Telling(3, frozenset({1}))
    assert read_captions(source, 1) == read_captions(Grey(3, frozenset({1})), 1) == ()
    with pytest.raises(BadSample, match="key 1: no caption"):
        captions_at(source, 1)


@pytest.mark.parametrize("size", [1, 2, PROBED, PROBED + 1, 1000, 12_345])
def test_probes_are_spread_over_the_source(size: int) -> None:
    places = [index for _, index in probes(Grey(size))]
    assert len(set(places)) == len(places) <= PROBED
    assert min(size, PROBED // 2) <= len(places)
    assert places[0] == 0
    assert size - places[-1] <= size // PROBED + 1


def test_probes_reach_every_part_of_a_mixture() -> None:
    class Several(Grey):
        def __init__(self, **sources: Source) -> None:
            self.sources = sources

    small, large = Grey(2), Grey(10_000)
    found = [part for part, _ in probes(Several(small=small, large=large))]
    assert found.count(small) == 2
    assert found.count(large) == PROBED


def test_a_source_without_captions_is_refused() -> None:
    require_captions(Telling(300, frozenset(range(1, 300))), "look elsewhere")
    with pytest.raises(DataError, match=r"grey: no usable caption in 3 examples \(no caption\); look elsewhere"):
        require_captions(Telling(3, frozenset(range(3))), "look elsewhere")


def test_digests_and_numbers_are_the_same_on_every_machine() -> None:
    assert digest("a", 1, {"b": None, "a": 2.5}) == digest("a", 1, {"a": 2.5, "b": None}) == "928a3f973c3c72cde71693333591dfa9"
    assert digest("a", "b") != digest("ab")
    assert number_for("a cat") == 7491139519574695330
    assert number_for("\udcff") != number_for("\udcfe")
