from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import BadSample, KeyedSource, Table
from concord.errors import DataError
from concord.images import decode
from tests.data.samples import encode

ROWS = [{"image": "a.png", "caption": "a, cat", "title": "cat"}, {"image": "sub/b.png", "caption": "a dog", "title": "NA"}]


@pytest.fixture(params=["csv", "tsv", "json", "jsonl"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(encode(1))
    (tmp_path / "sub/b.png").write_bytes(encode(2))
    path = tmp_path / f"pairs.{request.param}"
    frame = pd.DataFrame(ROWS)
    if request.param in ("csv", "tsv"):
        frame.to_csv(path, sep="," if request.param == "csv" else "\t", index=False, encoding="utf-8-sig")
    else:
        path.write_text(json.dumps(ROWS) if request.param == "json" else "\n".join(map(json.dumps, ROWS)))
    return path


def test_every_format_reads_alike(table: Path) -> None:
    source = Table(str(table), caption=["caption", "title"])
    assert isinstance(source, KeyedSource)
    assert [(pair.key, pair.captions, pair.source) for pair in (source[0], source[1])] == [
        ("a.png", ("a, cat", "cat"), "pairs"),
        ("sub/b.png", ("a dog", "NA"), "pairs"),  # words, not missing values
    ]
    assert decode(source[1].image).getpixel((0, 0)) == (2, 2, 2)


def test_a_missing_column_is_refused_with_the_nearest(table: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'captoin' \(caption\); did you mean caption"):
        Table(str(table), caption="captoin")
    with pytest.raises(DataError, match=r"no column 'filepath' \(image\); valid: caption, image, title"):
        Table(str(table), image="filepath")


def test_image_root(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(encode(5))
    (tmp_path / "t.csv").write_text("image,caption\na.png,x\n")
    source = Table(str(tmp_path / "t.csv"), image_root=str(tmp_path / "images"))
    assert decode(source[0].image).getpixel((0, 0)) == (5, 5, 5)
    with pytest.raises(DataError, match=r"image_root: .*nowhere"):
        Table(str(tmp_path / "t.csv"), image_root=str(tmp_path / "nowhere"))


def test_lists_of_captions_and_incomplete_rows(tmp_path: Path) -> None:
    rows = [{"image": "a", "caption": ["x", "y "]}, {"image": "b"}, {"caption": "z"}, {"image": 3, "caption": "z"}]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    source = Table(str(tmp_path / "t.json"))
    assert source[0].captions == ("x", "y")
    for index, message in ((1, "b: no caption"), (2, "row 2: no image"), (3, "row 3: no image")):
        with pytest.raises(BadSample, match=message):
            source[index]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"", "valid: .csv, .tsv, .json, .jsonl"),
        ("t.csv", b"", "cannot be read"),
        ("t.csv", b"image,caption\n", "no rows"),
        ("t.csv", b"image,caption\na.png,a cat, sitting\n", "more cells than the header"),
        ("t.csv", b"image,caption\na.png,a cat\nb.png,a cat, sitting\n", "cannot be read"),
        ("t.csv", b'image,caption\n"open', "cannot be read"),
        ("t.csv", b"image,caption\na,\xff\xfe\n", "cannot be read"),
        ("t.csv", b"image,caption\na,\n", "no usable caption"),
        ("t.json", b'{"image": 1}', "expected a list of objects"),
        ("t.json", b"[1, 2]", "expected a list of objects"),
        ("t.jsonl", b'{"image": "a", "caption": "b"}\n{', "cannot be read"),
    ],
)
def test_broken_tables_are_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        Table(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Table(str(tmp_path / "t.csv"))


CELLS = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=5) | st.none(), max_size=3)
ROW = st.fixed_dictionaries({}, optional={"image": CELLS, "caption": CELLS, "": CELLS})
WILD = st.one_of(
    st.tuples(st.sampled_from(["csv", "tsv", "json", "jsonl"]), st.binary(max_size=200)),
    st.tuples(st.sampled_from(["csv", "tsv"]), st.text('ab,\t\r\n" 0é', max_size=60).map(lambda text: f"image,caption\n{text}".encode())),
    st.tuples(st.just("json"), st.lists(ROW, max_size=5).map(lambda rows: json.dumps(rows).encode())),
)


def usable(path: Path) -> list[bool]:
    """Which rows of a table give a pair; none for a table that is refused."""
    try:
        source = Table(str(path))
    except DataError:
        return []
    rows = []
    for index in range(len(source)):
        try:
            rows.append(bool(source[index].captions))
        except BadSample:
            rows.append(False)
    return rows


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WILD)
def test_any_bytes_are_rows_bad_rows_or_refused(tmp_path: Path, wild: tuple[str, bytes]) -> None:
    path = tmp_path / f"wild.{wild[0]}"
    path.write_bytes(wild[1])
    rows = usable(path)
    if wild[0] == "json" and wild[1].startswith(b"[{"):
        given_rows = [(row.get("image"), row.get("caption")) for row in json.loads(wild[1])]
        whole = [isinstance(image, str) and image != "" and any(strings(caption)) for image, caption in given_rows]
        assert rows in (whole, [])
        assert rows or not any(whole)


def strings(caption: object) -> list[str]:
    cells = caption if isinstance(caption, list) else [caption]
    return [cell.strip() for cell in cells if isinstance(cell, str)]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_any_caption_survives_jsonl_and_csv(tmp_path: Path, captions: list[str]) -> None:
    rows = [{"image": f"{number}.png", "caption": caption} for number, caption in enumerate(captions)]
    pd.DataFrame(rows).to_csv(tmp_path / "c.csv", index=False)
    (tmp_path / "c.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    for file in ("c.csv", "c.jsonl"):
        source = Table(str(tmp_path / file))
        assert [source.captions(index)[0] for index in range(len(source))] == [caption.strip() for caption in captions]
