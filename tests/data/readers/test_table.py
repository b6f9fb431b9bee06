from __future__ import annotations

import gzip
import json
import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import BadSample, KeyedSource, Table
from concord.data.source import Blocked, Described, Fingerprinted
from concord.errors import DataError
from concord.images import decode
from concord.types import role_of
from tests.data.samples import encode
from tests.data.storage.server import FileServer

ROWS = [{"image": "a.png", "caption": "a, cat", "title": "cat"}, {"image": "sub/b.png", "caption": "a dog", "title": "NA"}]


@pytest.fixture(params=["csv", "tsv", "json", "jsonl", "csv.gz", "tsv.gz", "json.gz", "jsonl.gz"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(encode(1))
    (tmp_path / "sub/b.png").write_bytes(encode(2))
    path = tmp_path / f"pairs.{request.param}"
    frame = pd.DataFrame(ROWS)
    if request.param[:3] in ("csv", "tsv"):
        content = frame.to_csv(sep="," if request.param.startswith("csv") else "\t", index=False).encode("utf-8-sig")
    else:
        content = (json.dumps(ROWS) if request.param.removesuffix(".gz") == "json" else "\n".join(map(json.dumps, ROWS))).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if request.param.endswith(".gz") else content)
    return path


def test_every_format_reads_alike(table: Path) -> None:
    source = Table(str(table), caption=["caption", "title"])
    assert all(isinstance(source, kind) for kind in (KeyedSource, Blocked, Described, Fingerprinted))
    assert [(pair.key, pair.captions, pair.source) for pair in (source[0], source[1])] == [
        ("a.png", ("a, cat", "cat"), "pairs"),
        ("sub/b.png", ("a dog", "NA"), "pairs"),  # words, not missing values
    ]
    assert decode(source[1].image).getpixel((0, 0)) == (2, 2, 2)
    assert source[1].image == (table.parent / "sub/b.png").read_bytes()
    assert sum(source.block_sizes) == len(source) == 2


def test_other_columns_are_metadata(table: Path) -> None:
    source = Table(str(table))
    assert source.metadata(1) == source[1].metadata == {"title": "NA"}


def test_roles_and_a_column_of_keys(table: Path) -> None:
    source = Table(str(table), caption={"long": "caption", "short": ["title"]}, key="title")
    assert [(caption, role_of(caption)) for caption in source.captions(0)] == [("a, cat", "long"), ("cat", "short")]
    assert source.key(0) == source[0].key == "cat"
    assert source.metadata(0) == {}


def test_a_missing_column_is_refused_with_the_nearest(table: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'captoin' \(caption\); did you mean caption"):
        Table(str(table), caption="captoin")
    with pytest.raises(DataError, match=r"no column 'filepath' \(image\); valid: caption, image, title"):
        Table(str(table), image="filepath")


def test_another_process_reads_the_same(table: Path) -> None:
    source = Table(str(table))
    copy: Table = pickle.loads(pickle.dumps(source))
    assert [copy[index] for index in range(2)] == [source[index] for index in range(2)]


def test_the_fingerprint_tells_another_reading_of_the_table(table: Path) -> None:
    before = Table(str(table)).fingerprint()
    assert Table(str(table)).fingerprint() == before
    assert Table(str(table), caption="title").fingerprint() != before


def test_the_fingerprint_tells_another_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,caption\na,b\n")
    before = Table(str(tmp_path / "t.csv")).fingerprint()
    (tmp_path / "t.csv").write_text("image,caption\na,b\nc,d\n")
    assert Table(str(tmp_path / "t.csv")).fingerprint() != before


def test_open_clip_defaults(tmp_path: Path) -> None:
    """OpenCLIP reads tabs from a .csv, with images in "filepath" and captions in "title"; its paths are often absolute."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.png").write_bytes(encode(3))
    (tmp_path / "train.csv").write_text(f"filepath\ttitle\n{elsewhere}/a.png\ta red, round ball\n")
    source = Table(str(tmp_path / "train.csv"), image="filepath", caption="title", separator="tab")
    assert source[0].captions == ("a red, round ball",)
    assert decode(source[0].image).getpixel((0, 0)) == (3, 3, 3)


@pytest.mark.parametrize("separator", ["", "ab", '"', "\n", "é"])
def test_a_separator_is_one_character(tmp_path: Path, separator: str) -> None:
    (tmp_path / "t.csv").write_text("image,caption\na,b\n")
    with pytest.raises(ValueError, match="separator must be one character or tab"):
        Table(str(tmp_path / "t.csv"), separator=separator)


def test_json_has_no_separator(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"image": "a", "caption": "b"}\n')
    with pytest.raises(ValueError, match=r"separator is for \.csv and \.tsv files, the table is \.jsonl"):
        Table(str(tmp_path / "t.jsonl"), separator=",")


def test_a_table_and_its_images_behind_a_url(tmp_path: Path) -> None:
    (tmp_path / "www/images").mkdir(parents=True)
    (tmp_path / "www/images/a.png").write_bytes(encode(7))
    (tmp_path / "secret.png").write_bytes(encode())
    with FileServer(tmp_path / "www") as server:
        rows = ["images/a.png", f"{server.url}/images/a.png", "images/b.png", f"{tmp_path}/secret.png", "../secret.png"]
        content = "image,caption\n" + "".join(f"{image},x\n" for image in rows)
        (tmp_path / "www/t.csv.gz").write_bytes(gzip.compress(content.encode(), mtime=0))
        source = Table(f"{server.url}/t.csv.gz?token=secret")
        assert (source.name, len(source), source.location(0)) == ("t", 5, f"{server.url}/t.csv.gz (row 0)")
        assert source[0].image == source[1].image == encode(7)
        for index, message in ((2, "image file not found"), (3, "image path leaves image_root"), (4, "image path leaves image_root")):
            with pytest.raises(BadSample, match=message):
                source[index]


def test_image_root(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(encode(5))
    (tmp_path / "t.csv").write_text("image,caption\na.png,x\n")
    source = Table(str(tmp_path / "t.csv"), image_root=str(tmp_path / "images"))
    assert decode(source[0].image).getpixel((0, 0)) == (5, 5, 5)
    with pytest.raises(DataError, match=r"image_root: .*nowhere"):
        Table(str(tmp_path / "t.csv"), image_root=str(tmp_path / "nowhere"))


def test_a_table_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(encode(5))
    (tmp_path / "t.csv").write_text("image,caption\na.png,x\n")
    monkeypatch.chdir(tmp_path)
    assert Table("t.csv")[0].image == encode(5)


def test_lists_of_captions_and_incomplete_rows(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encode())
    rows: list[Any] = [{"image": "a", "caption": ["x", {"text": "y ", "role": "long"}]}, {"image": "b"}, {"caption": "z"}]
    rows += [{"image": 3, "caption": "z"}, {"image": "", "caption": "z"}]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    source = Table(str(tmp_path / "t.json"))
    assert source[0].captions == ("x", "y")
    assert role_of(source[0].captions[1]) == "long"
    messages = ("b: no caption", "row 2: no image", "3: image is neither bytes nor a path", "row 4: no image")
    for index, message in enumerate(messages, start=1):
        with pytest.raises(BadSample, match=message):
            source[index]


def test_places_inside_of_cells(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encode())
    row = {"file": {"name": "a"}, "names": {"en": "cat", "de": "Katze"}, "n": 3, "sizes": [1, 2]}
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\r\n\r\n\n")
    source = Table(str(tmp_path / "t.jsonl"), image="file.name", caption={"de": "names.de", "en": "names.en"})
    assert (len(source), source[0].key, source[0].captions, source[0].metadata) == (1, "a", ("Katze", "cat"), {"n": 3})


def test_broken_lines_of_jsonl_are_bad_rows(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encode())
    lines = [b'{"image": "a", "caption": "b"}', b"{", b"[1]", b"\xff", b'{"image": "a", "caption": "\\ud800"}', b"[" * 100_000]
    (tmp_path / "t.jsonl").write_bytes(b"\n".join(lines))
    source = Table(str(tmp_path / "t.jsonl"))
    assert source[0].captions == ("b",)
    messages = ["JSON cannot be read", "row is not an object", "JSON cannot be read", "caption is not UTF-8", "JSON cannot be read"]
    for index, message in enumerate(messages, start=1):
        with pytest.raises(BadSample, match=message):
            source[index]
        with pytest.raises(BadSample, match=message):
            source.captions(index)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nowhere.png", "nowhere.png: image "),
        ("folder", "folder: image "),
        ("a.png/b.png", "a.png/b.png: image "),
        ("pipe", "pipe: image file not found"),  # nobody would ever write into it
        ("/dev/zero", "/dev/zero: image file not found"),
        ("empty.png", "empty.png: image of zero bytes"),
        ("../secret.png", "image path leaves image_root"),
        ("folder/../../secret.png", "image path leaves image_root"),
        ("..", "image path leaves image_root"),
        ("https://example.org/a.png", "image path leaves image_root"),
        ("file:///etc/passwd", "image path leaves image_root"),
        ("a\0b.png", "image "),
        ("x" * 100_000, "image "),
    ],
)
def test_images_that_cannot_be_read_are_bad_rows(tmp_path: Path, image: str, message: str) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(encode())
    (root / "a.png").write_bytes(encode())
    (root / "empty.png").write_bytes(b"")
    os.mkfifo(root / "pipe")
    (root / "t.jsonl").write_text(json.dumps({"image": image, "caption": "x"}))
    source = Table(str(root / "t.jsonl"))
    with pytest.raises(BadSample, match=message) as caught:
        source[0]
    assert str(tmp_path) not in str(caught.value)  # where the data lie is nobody's business
    assert caught.value.key == image


def test_paths_may_go_up_inside_the_root(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(4))
    (tmp_path / "t.csv").write_text("image,caption\nsub/../a.png,x\n./a.png,x\n")
    source = Table(str(tmp_path / "t.csv"))
    assert source[0].image == source[1].image == encode(4)


def test_a_root_that_disappears_gives_bad_rows(tmp_path: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    (root / "a.png").write_bytes(encode())
    (tmp_path / "t.csv").write_text("image,caption\na.png,x\n")
    source = Table(str(tmp_path / "t.csv"), image_root=str(root))
    assert source[0].image
    (root / "a.png").unlink()
    root.rmdir()
    with pytest.raises(BadSample, match=r"a\.png: image "):
        source[0]


def test_cells_of_all_kinds(tmp_path: Path) -> None:
    """A byte-order mark, quotes, line breaks, empty and huge cells, a NUL, bytes that are not UTF-8."""
    (tmp_path / "a").write_bytes(encode())
    huge = "w" * 100_000
    rows = ['a,"two\nlines ""and"" a comma, too"', f"a,{huge}", "a,", "a,b\0c", "", 'a,say "hi"', "a,  "]
    content = "image,caption\n" + "\n".join(rows) + "\n"
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + content.encode() + b"a,caf\xe9\na\xe9,x\n")
    source = Table(str(tmp_path / "t.csv"))
    assert len(source) == 8
    assert [source.captions(index) for index in (0, 1, 4)] == [('two\nlines "and" a comma, too',), (huge,), ('say "hi"',)]
    assert source.captions(3)[0].split() == ["b", "c"]
    for index, message in ((2, "no caption"), (5, "no caption"), (6, "caption is not UTF-8"), (7, r"a\\udce9: image ")):
        with pytest.raises(BadSample, match=message):
            source[index]


def test_names_of_files_need_not_be_utf8(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.png").write_bytes(encode(6))
    (tmp_path / "t.csv").write_bytes(b"image,caption\ncaf\xe9.png,x\n")
    pair = Table(str(tmp_path / "t.csv"))[0]
    assert pair.image == encode(6)
    assert pair.key.encode() == rb"caf\udce9.png"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"", r"valid: \.csv, \.tsv, \.json, \.jsonl, also with \.gz"),
        ("t.csv", b"", "cannot be read"),
        ("t.csv", b"image,caption\n", "no rows"),
        ("t.csv", b"image,caption\na.png,a cat\nb.png,a cat, sitting\n", "row 3 has 3 cells, the header 2; quote"),
        ("t.csv", b"image,caption\na.png\n", "row 2 has 1 cells, the header 2"),
        ("t.csv", b'image,caption\n"open', "row 2 has 1 cells"),
        ("t.csv", b'image,caption\na,"open', "a quote is not closed"),
        ("t.csv", b'image,caption\na,b\na,"open' + b"\nc,d" * 10, "a quote is not closed"),
        ("t.csv", b'image,caption\na,"open' + b"\nc,d" * (5 << 20), "a quote is not closed"),
        ("t.csv", b"image,caption\na,\xff\xfe\n", "no usable caption in 1 examples .caption is not UTF-8"),
        ("t.csv", "image,caption\na,b\n".encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        ("t.csv", b"image,caption,caf\xe9\na,b,c\n", "header is not UTF-8"),
        ("t.csv", b"image,caption\na,\n", "no usable caption"),
        ("t.csv", b"image,image,caption\na,b,c\n", "no column 'image'"),
        ("t.csv.gz", b"image,caption\na,b\n", "it is not gzip"),
        ("t.csv.gz", gzip.compress(b"image,caption\na,b\n", mtime=0)[:-9], "its end is missing"),
        ("t.json", b'{"image": 1}', "expected a list of objects"),
        ("t.json", b"[1, 2]", "expected a list of objects"),
        ("t.json", b"[]", "no rows"),
        ("t.json", b"[" * 100_000, "cannot be read"),
        ("t.jsonl", b"", "no rows"),
        ("t.jsonl", b"{\n1\n", "expected an object in every line"),
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


def test_a_pattern_must_mean_one_table(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("image,caption\na,b\n")
    with pytest.raises(DataError, match="2 files; give one"):
        Table(str(tmp_path / "*.csv"))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_take_little_more_memory_than_the_file(tmp_path: Path, kind: str) -> None:
    """Python objects, one per cell, would take several times as much, and reading processes could not share them."""
    path = tmp_path / f"t.{kind}"
    rows = 20_000
    if kind == "csv":
        path.write_text("image,caption\n" + "".join(f"{number:08}.jpg,a picture of number {number}\n" for number in range(rows)))
    else:
        path.write_text("".join(json.dumps({"image": f"{n:08}.jpg", "caption": f"a picture of number {n}"}) + "\n" for n in range(rows)))
    tracemalloc.start()
    source = Table(str(path))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(source) == rows
    assert held < path.stat().st_size + 16 * rows + 1e6
    assert held < rows * 100


CELLS = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=5) | st.none(), max_size=3)
ROW = st.fixed_dictionaries({}, optional={"image": CELLS, "caption": CELLS, "": CELLS})
WILD = st.one_of(
    st.tuples(st.sampled_from(["csv", "tsv", "json", "jsonl", "csv.gz"]), st.binary(max_size=200)),
    st.tuples(st.sampled_from(["csv", "tsv"]), st.text('ab,\t\r\n" 0é', max_size=60).map(lambda text: f"image,caption\n{text}".encode())),
    st.tuples(st.just("json"), st.lists(ROW, max_size=5).map(lambda rows: json.dumps(rows).encode())),
)


def causes(path: Path) -> list[str]:
    """Why each row of a table gives no pair, "" where it does; nothing for a table that is refused."""
    try:
        source = Table(str(path))
    except DataError:
        return []
    rows = []
    for index in range(len(source)):
        try:
            rows.append("" if source[index].captions else "empty")
        except BadSample as bad:
            rows.append(bad.cause)
    return rows


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WILD)
def test_any_bytes_are_rows_bad_rows_or_refused(tmp_path: Path, wild: tuple[str, bytes]) -> None:
    path = tmp_path / f"wild.{wild[0]}"
    path.write_bytes(wild[1])
    rows = causes(path)
    assert "" not in rows  # there is no image
    if wild[0] == "json" and wild[1].startswith(b"[{"):
        given_rows = json.loads(wild[1])
        captioned = [any(strings(row.get("caption"))) for row in given_rows]
        refused = not any(captioned) or not any("image" in row for row in given_rows)
        assert [cause != "no caption" for cause in rows] == ([] if refused else captioned)


def strings(caption: object) -> list[str]:
    cells = caption if isinstance(caption, list) else [caption]
    return ["".join(c for c in cell if ord(c) > 31 and not 127 <= ord(c) < 160).strip() for cell in cells if isinstance(cell, str)]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_any_caption_survives_jsonl_and_csv(tmp_path: Path, captions: list[str]) -> None:
    rows = [{"image": f"{number}.png", "caption": caption} for number, caption in enumerate(captions)]
    pd.DataFrame(rows).to_csv(tmp_path / "c.csv", index=False)
    (tmp_path / "c.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    for file in ("c.csv", "c.jsonl"):
        source = Table(str(tmp_path / file))
        assert [source.captions(index)[0] for index in range(len(source))] == [caption.strip() for caption in captions]
