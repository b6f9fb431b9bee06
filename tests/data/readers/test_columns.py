from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data import BadSample, Storage
from concord.data.readers.cells import CaptionCells, Column, ImageCells, as_text, find_column, is_utf8, plain_values, resolve
from concord.data.readers.columns import ColumnSource, cell_of, default_key, folder_of, is_single
from concord.errors import ConfigError, DataError
from concord.types import role_of


class Given:
    """Rows that are given, and a record of what was asked of them."""

    place = "rows"
    columns = ("image", "caption", "id", "note", "json")
    values = ("caption", "id", "note")

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = rows
        self.asked: list[tuple[str, ...]] = []

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def block_sizes(self) -> Sequence[int]:
        return [len(self.rows)]

    def fingerprint(self) -> str:
        return "rows"

    def location(self, index: int) -> str:
        return f"shelf {index}"

    def label(self, index: int) -> str:
        return f"row {index}"

    def read(self, index: int, columns: Sequence[str]) -> Mapping[str, Any]:
        self.asked.append(tuple(columns))
        return {name: self.rows[index].get(name) for name in columns}


def test_a_row_becomes_a_pair() -> None:
    rows = Given([{"image": b"i", "caption": "c", "id": 7, "note": "n", "json": {"de": "d"}}])
    source = ColumnSource(rows, "given", "image", {"": "caption", "de": "json.de"}, "id", ".", Storage())
    rows.asked.clear()
    assert (source.key(0), source.captions(0), source.metadata(0)) == ("7", ("c", "d"), {"note": "n"})
    assert not any("image" in columns for columns in rows.asked)
    pair = source[0]
    assert (pair.image, pair.captions, pair.key, pair.source, pair.metadata) == (b"i", ("c", "d"), "7", "given", {"note": "n"})
    assert (source.location(0), source.block_sizes, len(source)) == ("shelf 0", [1], 1)


@pytest.mark.parametrize(
    ("value", "key"),
    [("k", "k"), (7, "7"), (b"k", "k"), ("", "row 0"), (None, "row 0"), (True, "row 0"), (1.5, "row 0"), ("\ud800", "\\ud800")],
)
def test_keys(value: Any, key: str) -> None:
    rows = Given([{"caption": "c", "id": value}])
    assert ColumnSource(rows, "given", "image", "caption", "id", ".", Storage()).key(0) == key
    with pytest.raises(BadSample, match="no image") as caught:
        ColumnSource(rows, "given", "image", "caption", "id", ".", Storage())[0]
    assert caught.value.key == key


def test_places_are_columns_first_and_paths_inside_of_cells_then() -> None:
    assert find_column("a.b", ["a", "a.b"], "image", "t") == Column("a.b", "")
    assert find_column("a.b.c.0", ["a", "a.b"], "image", "t") == Column("a.b", "c.0")
    assert Column("a", "b.1").of({"a": {"b": ["x", "y"]}}) == "y"
    assert Column("a", "b.1").of({"a": None}) is None
    with pytest.raises(DataError, match=r"^t: no column 'capton' \(caption\); did you mean caption\?$"):
        find_column("capton", ["caption", "image"], "caption", "t")


def test_no_caption_column_is_refused() -> None:
    for empty in ([], {}, {"long": []}):
        with pytest.raises(ConfigError, match="caption is empty"):
            CaptionCells(empty, ["caption"], "t")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("  a ", [("a", "r")]),
        (b"a", [("a", "r")]),
        ([" a", b"b", None, 3, ""], [("a", "r"), ("b", "r")]),
        ({"text": "a", "role": "own"}, [("a", "own")]),
        ([{"text": "a", "role": "own"}, {"text": "b", "role": ""}, {"other": "c"}], [("a", "own"), ("b", "r")]),
        ("x" * 100_000, [("x" * 100_000, "r")]),
    ],
)
def test_cells_that_hold_captions(cell: Any, expected: list[tuple[str, str]]) -> None:
    captions = CaptionCells({"r": "caption"}, ["caption"], "t").read("k", {"caption": cell})
    assert [(caption, role_of(caption)) for caption in captions] == expected


@pytest.mark.parametrize(
    ("cell", "cause"),
    [(None, "no caption"), ("\n", "no caption"), (3, "no caption"), (b"\xff", "caption is not UTF-8"), ("\udc80", "caption is not UTF-8")],
)
def test_cells_that_hold_none(cell: Any, cause: str) -> None:
    with pytest.raises(BadSample) as caught:
        CaptionCells("caption", ["caption"], "t").read("k", {"caption": cell})
    assert (caught.value.cause, caught.value.key) == (cause, "k")


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("/data", "a/b.jpg", "/data/a/b.jpg"),
        ("/data/", "./a//b.jpg", "/data/a/b.jpg"),
        ("data", "a/../b.jpg", "data/b.jpg"),
        ("/data", "/other/b.jpg", "/other/b.jpg"),
        ("/data", "..", None),
        ("/data", "a/../../b.jpg", None),
        ("/data", "..b/c.jpg", "/data/..b/c.jpg"),
        ("/data", "s3://bucket/b.jpg", None),
        ("s3://bucket/data", "b.jpg", "s3://bucket/data/b.jpg"),
        ("s3://bucket/data", "../b.jpg", None),
        ("s3://bucket/data", "s3://other/b.jpg", "s3://other/b.jpg"),
        ("s3://bucket/data", "https://host/b.jpg", None),
        ("s3://bucket/data", "/etc/passwd", None),
    ],
)
def test_where_paths_lead(root: str, path: str, expected: str | None) -> None:
    assert resolve(root, path) == expected


@given(st.sampled_from(["/data", "data", "s3://bucket/data"]), st.lists(st.sampled_from(["..", ".", "a", "", "b.jpg", "..a"]), max_size=8))
def test_relative_paths_never_leave_the_root(root: str, parts: list[str]) -> None:
    path = "/".join(parts).lstrip("/")
    depth = lowest = 0
    for part in parts:
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        lowest = min(lowest, depth)
    found = resolve(root, path)
    assert (found is not None) >= (lowest >= 0)
    if found is not None:
        assert found.startswith(f"{root}/")
        assert ".." not in found.removeprefix(root).split("/")


def test_images_in_cells(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"file")
    read = ImageCells(str(tmp_path), Storage()).read
    cells: list[Any] = [
        b"x",
        {"bytes": b"x", "path": "a.jpg"},
        {"bytes": None, "path": "a.jpg"},
        {"path": "a.jpg"},
        "a.jpg",
        f"{tmp_path}/a.jpg",
    ]
    assert [read("k", cell) for cell in cells] == [b"x", b"x", *[b"file"] * 4]
    causes = {
        None: "no image",
        "": "no image",
        b"": "image of zero bytes",
        3: "image is neither bytes nor a path",
        "b.jpg": "image file not found",
    }
    for cell, cause in causes.items():
        with pytest.raises(BadSample) as caught:
            read("k", cell)
        assert caught.value.cause == cause
    for empty in ({}, {"bytes": None, "path": None}, {"bytes": b""}):
        with pytest.raises(BadSample):
            read("k", empty)


def test_roots_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jpg").write_bytes(b"file")
    assert ImageCells("~", Storage()).read("k", "a.jpg") == b"file"


def test_plain_values() -> None:
    day = datetime.date(2024, 1, 1)
    cells = {
        "a": 1,
        "b": "x",
        "c": None,
        "d": [1],
        "e": {"x": 1},
        "f": b"x",
        "g": day,
        "h": decimal.Decimal("1.5"),
        "i": True,
        "j": "\ud800",
    }
    expected = {"a": 1, "b": "x", "g": day, "h": decimal.Decimal("1.5"), "i": True, "j": "?"}
    assert plain_values(cells, frozenset()) == expected
    assert plain_values({"a": 1, "b": 2}, frozenset({"a"})) == {"b": 2}
    assert plain_values({"a": 1, "metadata": '{"a": 2, "b": [3]}'}, frozenset()) == {"a": 2, "b": [3]}


def test_text_of_bytes() -> None:
    assert as_text([b"caf\xc3\xa9", b"\xe9", 3, {"text": "x"}]) == ["café", "\udce9", 3, {"text": "x"}]


@given(st.text(max_size=5) | st.text(st.characters(categories=["Cs"]), max_size=2))
def test_what_utf8_can_hold(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        assert not is_utf8(text)
    else:
        assert is_utf8(text)


def test_cells_that_python_has_no_word_for() -> None:
    broken = pa.array([b"caf\xe9"]).view(pa.string())
    assert cell_of(broken[0]) == "caf\udce9"
    assert cell_of(pa.array([[b"caf\xe9"]]).cast(pa.list_(pa.binary()))[0]) == [b"caf\xe9"]
    assert cell_of(pa.array([2**62], pa.timestamp("s"))[0]) is None
    assert cell_of(pa.scalar(None, pa.string())) is None


def test_which_columns_hold_single_values() -> None:
    single = [pa.string(), pa.large_string(), pa.int8(), pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us"), pa.decimal128(5)]
    single += [pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
    others = [pa.binary(), pa.list_(pa.int8()), pa.struct([("a", pa.int8())]), pa.null(), pa.dictionary(pa.int8(), pa.binary())]
    assert all(is_single(kind) for kind in single)
    assert not any(is_single(kind) for kind in others)


def test_the_column_of_keys() -> None:
    rows = Given([])
    assert default_key(rows, "image") is None  # images are no names
    assert default_key(rows, "note") == "note"
    rows.columns, rows.values = ("key", "note"), ("key", "note")
    assert default_key(rows, "note") == "key"


def test_folders_of_files() -> None:
    assert [folder_of(file) for file in ("a/b.csv", "b.csv", "/b.csv", "s3://x/y/b.csv", "https://h/y/b.csv?a=/c/d")] == [
        "a",
        ".",
        "/",
        "s3://x/y",
        "https://h/y",
    ]
