from __future__ import annotations

import pytest

from concord.data import HashSplit, Joined, Mixture, Shuffle
from concord.data.mixture import sampling_of
from concord.data.source import Blocked, Composed, Described, Fingerprinted, KeyedSource, Located
from concord.errors import ConfigError
from tests.data.samples import Grey
from tests.data.test_source import Telling


def test_sources_one_after_another() -> None:
    joined = Joined({"a": Telling(10), "b": Telling(20)})
    assert len(joined) == 30
    assert joined.name == "a+b"
    assert [joined.key(index) for index in (0, 9, 10, 29)] == ["key 0", "key 9", "key 0", "key 19"]
    assert joined.captions(11) == ("caption 1",)
    assert joined.metadata(29) == {"index": 19}
    assert joined.location(29) == "shard 1"
    assert joined.block_sizes == [10, 10, 10]
    assert all(isinstance(joined, protocol) for protocol in (KeyedSource, Described, Located, Blocked, Fingerprinted, Composed))


def test_pairs_keep_the_names_of_their_sources_and_in_a_mixture_get_that_of_the_part() -> None:
    joined = Joined({"a": Grey(2), "b": Grey(2)}, "both")
    assert joined.name == "both"
    assert joined[3].source == "grey"
    assert Mixture({"film": joined, "scan": Grey(2)})[3].source == "film"


def test_a_mixture_draws_from_a_joined_part_by_the_weight_of_the_whole() -> None:
    mixture = Mixture({"film": Joined({"a": Grey(10), "b": Grey(90)}), "scan": Grey(100)}, {"film": 3, "scan": 1})
    assert mixture.shares == {"film": 0.75, "scan": 0.25}
    assert mixture.block_sizes == [10, 90, 100]


def test_the_fingerprint_follows_the_sources_and_their_order() -> None:
    prints = [Joined(dict(zip("ab", parts, strict=True))).fingerprint() for parts in ((Telling(3), Telling(5)), (Telling(5), Telling(3)))]
    assert prints[0] != prints[1]
    assert Joined({"a": Telling(3), "b": Grey(2)}).fingerprint() is None


@pytest.mark.parametrize(
    ("sources", "message"),
    [({}, "sources must name at least one"), ({"a": Grey(1), "b": Grey(0)}, "sources: b holds no example")],
)
def test_nothing_is_joined_to_nothing(sources: dict[str, Grey], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Joined(sources)  # type: ignore[arg-type]


def test_a_mixture_inside_would_lose_its_weights() -> None:
    inner = Joined({"a": Mixture({"b": Telling(10), "c": Telling(10)})})
    with pytest.raises(ConfigError, match="wraps a mixture, which would lose its weights"):
        sampling_of(HashSplit(inner, "train"), Shuffle(), "0", 4)
    with pytest.raises(ValueError, match="sources: film is a mixture itself"):
        Mixture({"film": inner})
