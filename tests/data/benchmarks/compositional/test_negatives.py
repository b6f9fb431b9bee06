"""Wrong captions of a source's metadata, or of a file beside it, as questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from concord.data import BadSample, Shapes, Table
from concord.data.benchmarks.compositional import NegativeCaptions
from concord.errors import DataError
from concord.items import Item
from concord.types import Pair
from tests.data.benchmarks.negatives_fixtures import write


class Memory:
    """Pairs in memory; None cannot be read."""

    name = "memory"

    def __init__(self, *pairs: Pair | None) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        pair = self.pairs[index]
        if pair is None:
            raise BadSample("broken", str(index))
        return pair


def test_metadata_become_questions() -> None:
    asked = {"negatives": {"swap": ["b a"], "order": ["x", "y"], "none": []}}
    source = Memory(None, Pair(b"", ("a b", "c"), "k1", "", asked), Pair(b"", (), "k2", "", asked), Pair(b"", ("a",), "k3"))
    test = NegativeCaptions(source)
    assert test.items == [
        Item("k1", "texts", (1,), ("a b", "b a"), subset="swap"),
        Item("k1", "texts", (1,), ("a b", "x", "y"), subset="order"),
    ]
    assert test.images is source
    assert test.name == "memory"
    with pytest.raises(DataError, match="no example has a caption and wrong captions in its examples"):
        _ = NegativeCaptions(Memory(None)).items


def test_shapes_have_four_kinds() -> None:
    items = NegativeCaptions(Shapes(task="compositional", size=3)).items
    assert [item.subset for item in items] == 3 * ["swap_attributes", "replace_object", "swap_relation", "word_order"]
    assert {item.images for item in items} == {(0,), (1,), (2,)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path / "negatives"


def test_a_file_is_joined_by_key(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = folder / "negatives.jsonl"
    more = {"key": "one.png", "caption": "a cat", "negatives": {"swap": ["cat a"]}}
    path.write_text(path.read_text() + json.dumps(more) + "\n" + json.dumps({**more, "key": "none.png"}))
    test = NegativeCaptions(Table(str(folder / "captions.csv")), str(path), name="mine")
    assert test.name == "mine"
    asked = {(item.key, item.subset, item.images[0], len(item.texts)) for item in test.items}
    assert asked == {
        ("one.png", "swap", 0, 2),
        ("one.png", "shuffle", 0, 3),
        ("two.png", "replace_number", 1, 2),
        ("three.png", "shuffle", 2, 2),
        ("one.png/2", "swap", 0, 2),
    }
    assert "1 lines of" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"key": "one.png", "caption": "x"}', "'negatives' is missing"),
        ('{"key": "one.png", "caption": "x", "negatives": {"swap": "y"}}', "'swap' must be a list"),
        ('{"key": "one.png", "caption": "x", "negatives": {"swap": [1]}}', "'swap' must be text"),
        ('{"key": "one.png", "capt', "is not JSON"),
        ('{"key": "no.png", "caption": "x", "negatives": {"swap": ["y"]}}', "no example has a caption and wrong captions in"),
    ],
)
def test_files_with_mistakes_are_refused(folder: Path, line: str, message: str) -> None:
    (folder / "negatives.jsonl").write_text(line)
    with pytest.raises(DataError, match=message):
        _ = NegativeCaptions(Table(str(folder / "captions.csv")), str(folder / "negatives.jsonl")).items
