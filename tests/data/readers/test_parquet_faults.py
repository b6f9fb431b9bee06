from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from concord.data import BadSample, Parquet, Storage
from concord.data.readers.row_groups import ParquetRows
from concord.data.storage.storage import StorageError
from concord.errors import DataError
from tests.data.readers.parquet_files import CAPTIONS, IMAGES, structures, two_files, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return two_files(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": "imgae"}, r"data \(2 files\): no column 'imgae' \(image\); did you mean image\?"),
        ({"caption": "text"}, r"no column 'text' \(caption\); valid: caption, image, score, sizes"),
        ({"caption": {"long": ["caption", "dense"]}}, r"no column 'dense' \(caption\)"),
        ({"key": "id"}, r"no column 'id' \(key\)"),
        ({"caption": "score"}, "no usable caption in 9 examples .no caption.; is score the right column"),
    ],
)
def test_a_wrong_column_is_refused(folder: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Parquet(str(folder), **arguments)


def test_a_column_must_be_in_every_file(folder: Path) -> None:
    write(folder / "c.parquet", {"image": IMAGES, "text": CAPTIONS})
    with pytest.raises(DataError, match=r"\(3 files\): no column 'caption' .*valid: image"):
        Parquet(str(folder))


def test_files_may_order_and_type_their_columns_differently(folder: Path) -> None:
    write(folder / "c.parquet", {"extra": [1], "caption": pa.array(["z"], pa.large_string()), "image": structures(IMAGES[:1])})
    source = Parquet(str(folder))
    assert (source[9].image, source[9].captions, source[9].metadata, source[0].metadata) == (IMAGES[0], ("z",), {}, {})


def test_files_that_cannot_be_read_are_refused_by_name(folder: Path) -> None:
    content = (folder / "a.parquet").read_bytes()
    for broken in (b"", b"PAR1", b"<html>404</html>", content[:-1], content[: len(content) // 2], content[:-8] + b"\xff\xff\xff\x7fPAR1"):
        (folder / "b.parquet").write_bytes(broken)
        with pytest.raises(DataError, match=r"b\.parquet is not a Parquet file, or its end is missing") as caught:
            Parquet(str(folder))
        assert "\n" not in str(caught.value)


def test_empty_data_are_refused(tmp_path: Path) -> None:
    empty = pa.table({"image": pa.array([], pa.binary()), "caption": pa.array([], pa.string())})
    write(tmp_path / "data/0.parquet", empty)
    with pytest.raises(DataError, match="no rows in it"):
        Parquet(str(tmp_path / "data"))
    write(tmp_path / "data/1.parquet", {"image": IMAGES, "caption": CAPTIONS})
    assert Parquet(str(tmp_path / "data"))[6].key == "1/6"
    with pytest.raises(DataError, match="nowhere"):
        Parquet(str(tmp_path / "nowhere"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"no \.parquet"):
        Parquet(str(tmp_path / "nothing"))


def test_a_negative_cache_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="cache must be at least 0, got -1"):
        Parquet(str(folder), cache=-1)


def test_incomplete_rows_are_bad_by_themselves(tmp_path: Path) -> None:
    images = pa.array([IMAGES[0], None, b"", IMAGES[1], IMAGES[2]], pa.binary())
    path = write(
        tmp_path / "t.parquet", {"image": images, "caption": ["a", "b", "c", None, " "], "key": ["k", "", None, "k3", "k4"]}, rows=2
    )
    source = Parquet(str(path))
    assert source[0].key == "k"
    for index, message in ((1, "t/1: no image"), (2, "t/2: image of zero bytes"), (3, "k3: no caption"), (4, "k4: no caption")):
        with pytest.raises(BadSample, match=message):
            source[index]


def test_text_that_is_not_utf8_is_a_bad_row(tmp_path: Path) -> None:
    lines = pa.array([b"a", b"caf\xe9", b"x" * 100_000]).view(pa.string())  # written as text without a look at it
    path = write(tmp_path / "t.parquet", {"image": IMAGES[:3], "caption": lines, "note": lines})
    source = Parquet(str(path))
    assert [len(source.captions(index)[0]) for index in (0, 2)] == [1, 100_000]
    with pytest.raises(BadSample, match="t/1: caption is not UTF-8"):
        source[1]
    assert source.metadata(1) == {"note": "caf?"}


def damage_second_group(path: Path) -> None:
    """Overwrite the beginning of its images."""
    column = pq.read_metadata(path).row_group(1).column(0)
    start = column.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 12] = b"\xff" * 12
    path.write_bytes(bytes(content))


def test_a_damaged_row_group_leaves_the_others(folder: Path) -> None:
    damage_second_group(folder / "a.parquet")
    source = Parquet(str(folder))
    assert [source[index].image for index in (0, 6, 7)] == [IMAGES[0], IMAGES[6], IMAGES[0]]
    for index in (3, 4, 5):
        with pytest.raises(BadSample, match="row group cannot be read"):
            source[index]
        assert source.captions(index) == (CAPTIONS[index],)


def test_files_that_disappear_or_shrink_while_reading_give_bad_rows(folder: Path) -> None:
    source = Parquet(str(folder), cache=0)
    assert source[0].image == IMAGES[0]
    content = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(content[:20])
    with pytest.raises(BadSample, match="row group cannot be read"):
        source[4]
    (folder / "a.parquet").unlink()
    with pytest.raises(BadSample, match=r"a/4: row group: ") as caught:
        source[4]
    assert str(folder) not in str(caught.value)
    assert source[8].image == IMAGES[1]


def test_many_files_are_opened_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concord.data.readers.row_groups.OPEN_FILES", 3)
    for number in range(8):
        write(tmp_path / f"data/{number}.parquet", {"image": IMAGES[number % 7 :][:1], "caption": [str(number)]})
    rows = ParquetRows(Storage().find(str(tmp_path / "data"), ".parquet"), Storage(), 0)
    assert [rows.read(index, ["caption"])["caption"] for index in (7, 0, 3, 5, 1, 7)] == ["7", "0", "3", "5", "1", "7"]
    assert len(rows._open_files) == 3


def test_a_storage_that_gives_up_is_named(folder: Path) -> None:
    class Flaky(Storage):
        broken = False

        def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
            if self.broken:
                raise StorageError("no answer after 3 tries", path)
            return super().read(path, offset, size)

    storage = Flaky()
    source = Parquet(str(folder), storage=storage)
    storage.broken = True
    with pytest.raises(BadSample) as caught:
        source[0]
    assert caught.value.cause == "row group: no answer after 3 tries"


ROWS = st.tuples(st.none() | st.binary(max_size=30), st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))


def test_a_name_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", {"image": IMAGES, "caption": CAPTIONS})
    content = path.read_bytes()
    refused = []
    for start in (found.start() for found in re.finditer(b"caption", content)):
        path.write_bytes(content[:start] + b"\x80" + content[start + 1 :])
        try:
            Parquet(str(path))
        except DataError as error:
            refused.append(str(error))
    assert refused
    assert all("t.parquet" in message and "\n" not in message for message in refused)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, min_size=1, max_size=12), st.integers(1, 5), st.booleans())
def test_any_rows_come_back_or_are_bad(tmp_path: Path, rows: list[Any], group: int, compressed: bool) -> None:
    table = {"image": pa.array([image for image, _ in rows], pa.binary()), "caption": pa.array([text for _, text in rows], pa.string())}
    path = write(tmp_path / "t.parquet", table, rows=group, compression="zstd" if compressed else "none")
    captioned = [text is not None and text.strip() != "" for _, text in rows]
    if not any(captioned):
        with pytest.raises(DataError, match="no usable caption"):
            Parquet(str(path))
        return
    source = Parquet(str(path), cache=0)
    for index in reversed(range(len(rows))):
        image, text = rows[index]
        if image and captioned[index]:
            assert (source[index].image, source[index].captions) == (image, (text.strip(),))
        else:
            with pytest.raises(BadSample):
                source[index]


def ends_pyarrow(path: Path) -> bool:
    """Whether pyarrow ends the process: it does where the types of the schema contradict what the columns say of themselves."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with contextlib.suppress(Exception):
            contents = pq.read_metadata(path)
            groups = [contents.row_group(number) for number in range(contents.num_row_groups)]
            _ = [group.column(number) for group in groups for number in range(group.num_columns)]
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_fewer_rows_than_the_table_of_contents_names_are_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, read = Parquet(str(folder), cache=0), pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *arguments, **named: read(*arguments, **named).slice(1))
    with pytest.raises(BadSample, match=r"row group cannot be read \(2 rows in column caption instead of 3\)"):
        source[5]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_refused_bad_or_unseen(tmp_path: Path, data: st.DataObject) -> None:
    path = write(tmp_path / "t.parquet", {"image": IMAGES, "caption": CAPTIONS})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content))
    assume(not ends_pyarrow(path))
    try:
        source = Parquet(str(path))
    except DataError:
        return
    for index in range(min(len(source), 10)):
        with contextlib.suppress(BadSample):
            assert isinstance(source[index].image, bytes)
