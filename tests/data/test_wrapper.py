from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.source import Blocked, Described, Fingerprinted, KeyedSource, Located
from concord.data.wrapper import Selection
from tests.data.samples import Grey
from tests.data.test_source import Telling


def test_a_selection_passes_on_what_its_source_tells() -> None:
    selection = Selection(Telling(40), np.array([3, 12, 13, 35]))
    assert [selection.key(place) for place in range(len(selection))] == ["key 3", "key 12", "key 13", "key 35"]
    assert selection.captions(1) == ("caption 12",)
    assert selection.metadata(2) == {"index": 13}
    assert selection.location(3) == "shard 3"
    assert selection.name == "grey"
    assert selection.block_sizes == [1, 2, 1]
    assert all(isinstance(selection, protocol) for protocol in (KeyedSource, Described, Located, Blocked, Fingerprinted))


def test_a_selection_of_a_source_that_tells_nothing_reads_it() -> None:
    selection = Selection(Grey(9), np.array([4, 7]))
    assert selection[1].key == selection.key(1) == "7"
    assert selection.captions(0) == Grey(9)[4].captions
    assert selection.metadata(0) == {}
    assert selection.block_sizes == [2]
    assert selection.fingerprint() is None
    with pytest.raises(IndexError):
        selection[2]


def test_the_fingerprint_follows_the_source_and_what_is_selected() -> None:
    prints = [
        Selection(Telling(size), np.array(indices)).fingerprint()
        for size, indices in ((40, [1, 2]), (40, [1, 3]), (50, [1, 2]), (40, [1, 2]))
    ]
    assert prints[0] == prints[3]
    assert len(set(prints)) == 3


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), max_size=8), st.data())
def test_blocks_add_up_and_hold_neighbours(sizes: list[int], data: st.DataObject) -> None:
    class Blocks(Grey):
        block_sizes = sizes

    total = sum(sizes)
    chosen = data.draw(st.sets(st.integers(0, total - 1))) if total else set()
    selection = Selection(Blocks(total), np.array(sorted(chosen), dtype=np.int64))
    block_of = np.repeat(np.arange(len(sizes)), sizes)
    expected = np.unique(block_of[selection.indices], return_counts=True)[1]
    assert selection.block_sizes == expected.tolist()
