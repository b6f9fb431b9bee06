from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from concord.config import build
from concord.data import BadSample, HashSplit, Rewrites, Shards
from concord.data.views.policy import CaptionChoice
from concord.errors import DataError
from concord.types import role_of
from tests.composing import compose_config
from tests.data.samples import Grey, encode, write_tar

Rows = list[dict[str, Any]]
SIZE = 12


def write_rows(path: Path, rows: Rows) -> str:
    """The rows as the suffix says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=5)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return str(path)


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    members = [(f"{number:03}.{kind}", encode() if kind == "png" else f"own {number}") for number in range(SIZE) for kind in ("png", "txt")]
    return Shards(str(write_tar(tmp_path / "pairs" / "a.tar", members)))


def with_roles(captions: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(str(caption), role_of(caption)) for caption in captions]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_rows_are_matched_by_key_in_every_format(shards: Shards, tmp_path: Path, suffix: str) -> None:
    rows: Rows = [{"id": f"{number:03}", "text": f'other, "{number}"'} for number in (5, 3, 5, 99)]
    source = Rewrites(shards, write_rows(tmp_path / f"rewrites{suffix}", rows), "text", key="id")
    assert with_roles(source.captions(3)) == [("own 3", ""), ('other, "3"', "rewrite")]
    assert with_roles(source[5].captions) == [("own 5", ""), ('other, "5"', "rewrite"), ('other, "5"', "rewrite")]
    assert source.captions(4) == ("own 4",)
    assert (source.matched, source.unused) == (2, 1)
    assert (len(source), source.name, source.key(3), source.block_sizes) == (SIZE, "pairs", "003", shards.block_sizes)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_files_without_a_key_are_matched_by_order(shards: Shards, tmp_path: Path, suffix: str) -> None:
    files = [
        write_rows(tmp_path / f"{style}{suffix}", [{"caption": f"{style} {number}"} for number in range(SIZE)])
        for style in ("coco", "human")
    ]
    source = Rewrites(shards, files)
    assert [str(caption) for caption in source.captions(7)] == ["own 7", "coco 7", "human 7"]
    assert source[7].captions == source.captions(7)
    assert (source.matched, source.unused) == (SIZE, 0)


def test_each_visit_reads_the_caption_or_one_of_its_rewrites_alike(shards: Shards, tmp_path: Path) -> None:
    rows: Rows = [{style: f"{style} {number}" for style in ("chatgpt", "bard", "coco", "human")} for number in range(SIZE)]
    source = Rewrites(shards, write_rows(tmp_path / "rewrites.csv", rows), ["chatgpt", "bard", "coco", "human"])
    choose = CaptionChoice("random", 0)
    read = Counter(source.captions(7)[choose(source.captions(7), epoch, 7)] for epoch in range(1000))
    assert set(read) == {"own 7", "chatgpt 7", "bard 7", "coco 7", "human 7"}
    assert all(140 < count < 260 for count in read.values())


def test_columns_can_give_roles_and_cells_several_captions(shards: Shards, tmp_path: Path) -> None:
    rows: Rows = [{"a": ["x", "y"], "b": {"deep": "long one"}, "c": None, "number": number} for number in range(SIZE)]
    path = write_rows(tmp_path / "rewrites.jsonl", rows)
    source = Rewrites(shards, path, {"synthetic": ["a", "c"], "long": "b.deep"})
    assert with_roles(source.captions(0)) == [("own 0", ""), ("x", "synthetic"), ("y", "synthetic"), ("long one", "long")]
    assert [role_of(caption) for caption in Rewrites(shards, path, "a", role="de").captions(0)] == ["", "de", "de"]


def test_keys_that_are_numbers_and_rows_without_one(tmp_path: Path) -> None:
    rows: Rows = [{"n": 3, "caption": "three"}, {"n": None, "caption": "of nobody"}, {"n": 7, "caption": "  "}]
    for name in ("a.jsonl", "a.parquet"):
        source = Rewrites(Grey(9), write_rows(tmp_path / name, rows), key="n")
        assert source.captions(3) == (*Grey(9)[3].captions, "three")
        assert source.captions(7) == Grey(9)[7].captions
        assert (source.matched, source.unused) == (2, 1)


def test_examples_of_one_name_share_their_rows(tmp_path: Path) -> None:
    class Twins(Grey):
        def key(self, index: int) -> str:
            return str(index // 2)

        def captions(self, index: int) -> tuple[str, ...]:
            return (f"own {index}",)

    source = Rewrites(Twins(6), write_rows(tmp_path / "a.csv", [{"id": 1, "caption": "x"}, {"id": 1, "caption": "y"}]), key="id")
    assert [source.captions(index) for index in range(6)] == [
        ("own 0",),
        ("own 1",),
        ("own 2", "x", "y"),
        ("own 3", "x", "y"),
        ("own 4",),
        ("own 5",),
    ]


def test_what_is_bad_stays_bad(shards: Shards, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", [{"caption": f"{number}"} for number in range(4)])
    bad = Rewrites(Grey(4, frozenset({2})), path)
    with pytest.raises(BadSample, match="2: no image"):
        bad[2]
    file = tmp_path / "b.csv"
    file.write_bytes(b"caption\n" + b"\n".join(b"caf\xe9" if number == 1 else b"fine" for number in range(SIZE)))
    source = Rewrites(shards, str(file))
    assert source.captions(0) == ("own 0", "fine")
    with pytest.raises(BadSample, match=r"001: caption is not UTF-8 \(a caption in .*b\.csv\)"):
        source[1]


def test_counts_are_told(shards: Shards, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Rewrites(shards, write_rows(tmp_path / "a.csv", [{"id": name, "caption": "x"} for name in ("001", "002", "zzz")]), key="id")
    assert "pairs: 2 of 12 examples have captions in" in caplog.text
    assert "1 rows are unused" in caplog.text


def test_refusals(shards: Shards, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", [{"id": f"image {number}", "caption": "x"} for number in range(5)])
    with pytest.raises(DataError, match=r"a.csv: 5 rows for 12 examples of pairs; without a key there must be one for each"):
        Rewrites(shards, path)
    with pytest.raises(DataError, match=r"a.csv: no id of 5 rows, such as 'image 0', is the name of an example of pairs, such as '000'"):
        Rewrites(shards, path, key="id")
    with pytest.raises(DataError, match=r"a.csv: no column 'captions'.*did you mean caption\?"):
        Rewrites(shards, path, "captions", key="id")
    with pytest.raises(DataError, match=r"a.csv: no column 'idd'"):
        Rewrites(shards, path, key="idd")
    with pytest.raises(DataError, match=r"missing\.csv"):
        Rewrites(shards, str(tmp_path / "missing.csv"))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match=r"broken\.parquet cannot be read as Parquet"):
        Rewrites(shards, str(tmp_path / "broken.parquet"))


def test_the_fingerprint_follows_the_source_the_files_and_the_settings(shards: Shards, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", [{"a": f"{number}", "b": "x"} for number in range(SIZE)])
    prints = [Rewrites(shards, path, caption).fingerprint() for caption in ("a", "b", {"long": "a"}, "a")]
    assert prints[0] == prints[3]
    assert len({*prints, HashSplit(shards, "train").fingerprint()}) == 4
    write_rows(tmp_path / "a.csv", [{"a": f"{number} changed", "b": "x"} for number in range(SIZE)])
    assert Rewrites(shards, path, "a").fingerprint() != prints[0]
    assert Rewrites(Grey(SIZE), path, "a").fingerprint() is None


def test_rewrites_are_data_of_the_command_line(shards: Shards, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", [{"caption": f"other {number}"} for number in range(SIZE)])
    place = f"data.source.source.path={tmp_path / 'pairs'}"
    node = compose_config("data=rewrites", f"data.path={path}", "+source@data.source.source=shards", place, "data.batch_size=4")["data"]
    assert [str(caption) for caption in build(node, "data").source.captions(3)] == ["own 3", "other 3"]
