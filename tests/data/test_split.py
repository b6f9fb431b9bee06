from __future__ import annotations

from pathlib import Path

import pytest

from concord.data import HashSplit, Shards
from concord.data.split import share_of
from concord.errors import DataError
from tests.data.samples import Grey, encode, write_tar


@pytest.fixture
def source(tmp_path: Path) -> Shards:
    members = [(f"{number}.{kind}", encode() if kind == "png" else str(number)) for number in range(300) for kind in ("png", "txt")]
    return Shards(str(write_tar(tmp_path / "a.tar", members)))


def test_parts_are_disjoint_complete_and_of_the_share(source: Shards) -> None:
    train, held_out = HashSplit(source, "train", 0.2), HashSplit(source, "held_out", 0.2)
    keys = [[part[index].key for index in range(len(part))] for part in (train, held_out)]
    assert sorted(keys[0] + keys[1]) == sorted(source.key(index) for index in range(len(source)))
    assert 0.13 < len(held_out) / len(source) < 0.27
    assert held_out.key(3) == held_out[3].key
    assert held_out.captions(3) == held_out[3].captions
    assert train.name == source.name


def test_a_part_passes_on_blocks_metadata_and_where_examples_lie(tmp_path: Path) -> None:
    for shard in range(3):
        members = [
            (f"{shard}-{number}.{kind}", content)
            for number in range(40)
            for kind, content in (("png", encode()), ("txt", "a cat"), ("json", {"number": number}))
        ]
        write_tar(tmp_path / f"{shard}.tar", members)
    whole = Shards(str(tmp_path), metadata="json")
    part = HashSplit(whole, "train", 0.5)
    assert sum(part.block_sizes) == len(part)
    assert len(part.block_sizes) == 3
    assert part.metadata(5)["number"] == part[5].metadata["number"] == int(part.key(5).partition("-")[2])
    assert part.location(0).endswith("0.tar")
    assert part.fingerprint() not in (None, whole.fingerprint(), HashSplit(whole, "held_out", 0.5).fingerprint())
    assert part.fingerprint() == HashSplit(Shards(str(tmp_path), metadata="json"), "train", 0.5).fingerprint()


def test_membership_depends_on_key_and_seed_alone(source: Shards) -> None:
    def held(seed: int, share: float) -> set[str]:
        part = HashSplit(source, "held_out", share, seed)
        return {part.key(index) for index in range(len(part))}

    assert held(0, 0.1) < held(0, 0.3)
    assert held(0, 0.1) != held(1, 0.1)
    assert share_of("a", 0) == pytest.approx(0.7169675202522007)  # the same on every machine
    assert share_of("\udcff", 0) != share_of("\udcfe", 0)


def test_refusals(source: Shards, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"held_out must lie in \(0, 1\), got 1.0"):
        HashSplit(source, "train", 1.0)
    with pytest.raises(ValueError, match="keys without reading images, got Grey"):
        HashSplit(Grey(3), "train")  # type: ignore[arg-type]
    one = Shards(str(write_tar(tmp_path / "one.tar", [("a.png", encode()), ("a.txt", "a")])))
    with pytest.raises(DataError, match="no example of 1 falls into part held_out"):
        HashSplit(one, "held_out", 1e-6)
