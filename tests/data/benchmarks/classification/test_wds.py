"""CLIP_benchmark's layout, read as the `webdataset` package reads it, and refused where it is not right."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import webdataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import Shards, Storage
from concord.data.benchmarks.classification import WebDatasetCaptions, WebDatasetLayout
from concord.data.source import KeyedSource, Source
from concord.errors import DataError
from concord.images import decode
from tests.data.benchmarks.classification.drawn import npy, picture
from tests.data.benchmarks.classification.wds_layout import FACES, wds, wds_captions, wds_faces, wds_multilabel, write_wds
from tests.data.samples import Content, write_tar

STEMS = ["a", "b", "../c", "/d", "é"]
NAMES = [f"class {number}" for number in range(7)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wds(tmp_path, "mine")
    return tmp_path / "wds_mine_test"


def reader(folder: Path, **options: object) -> WebDatasetLayout:
    return WebDatasetLayout(str(folder), **options)  # type: ignore[arg-type]


def test_it_reads_what_webdataset_reads_in_its_order(folder: Path) -> None:
    ours = reader(folder)
    assert isinstance(ours, Source)
    shards = [str(folder / f"test/{number}.tar") for number in range(2)]
    theirs = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("__key__", "webp", "cls"))
    assert [ours.key(index) for index in range(len(ours))] == [key for key, _, _ in theirs]
    assert ours.labels.tolist() == [label for _, _, label in theirs] == [ours[index].metadata["label"] for index in range(len(ours))]
    for index, (_, image, _) in enumerate(theirs):
        assert (np.asarray(decode(ours[index].image)) == np.asarray(image)).all()


def test_names_and_templates_come_from_the_files(folder: Path) -> None:
    ours = reader(folder)
    assert (ours.name, ours.class_names, ours.templates) == ("wds_mine_test", NAMES, ["a photo of a {}."])
    assert ours[0].metadata == {"label": 0, "class_name": "class 0"}
    assert ours.location(0) == str(folder / "test/0.tar")
    (folder / "zeroshot_classification_templates.txt").unlink()
    assert reader(folder).templates is None
    assert reader(folder, class_names=[*"abcdefg"], name="other").class_names == [*"abcdefg"]
    assert reader(folder, class_names="imagenet1k").class_names[0] == "tench"


def test_an_empty_line_is_an_empty_name(tmp_path: Path) -> None:
    write_wds(tmp_path, ["near", "", "far"], [{"cls": "1\n"}, {"cls": " 2"}], shards=1)
    ours = reader(tmp_path)
    assert ours.class_names == ["near", "", "far"]
    assert ours.labels.tolist() == [1, 2]


def test_several_classes_stand_in_a_vector(tmp_path: Path) -> None:
    wds_multilabel(tmp_path, "voc")
    ours = reader(tmp_path / "wds_voc_test")
    assert [ours[index].metadata["labels"] for index in range(4)] == [[1, 0, 0], [1, 0, 1], [0, 1, 1], [0, 1, 0]]


def test_what_else_is_known_has_names(tmp_path: Path) -> None:
    wds(tmp_path, "fmow", columns=[[number % 3, 0.5] for number in range(6)])
    ours = reader(tmp_path / "wds_fmow_test", metadata=["region", "income"], value_names={"region": ["Asia", "Europe"]})
    by_key = {ours.key(index): ours.metadata(index) for index in range(6)}
    assert [by_key[f"s000000{number}"]["region"] for number in range(6)] == ["Asia", "Europe", 2, "Asia", "Europe", 2]
    assert {row["income"] for row in by_key.values()} == {0.5}
    assert "region" not in reader(tmp_path / "wds_fmow_test").metadata(0)


@pytest.mark.parametrize(("objective", "column", "names"), [("race", 2, 3), ("gender", 1, 2), ("age", 0, 4)])
def test_an_objective_chooses_names_templates_and_labels(tmp_path: Path, objective: str, column: int, names: int) -> None:
    wds_faces(tmp_path, "faces")
    ours = reader(tmp_path / "wds_faces_test", objective=objective, metadata=["age", "gender", "race", "race_binary"])
    by_key = {ours.key(index): ours.metadata(index)["label"] for index in range(len(FACES))}
    assert by_key == {key: FACES[int(key[1:]) % len(FACES)][column] for key in by_key}
    assert len(ours.class_names) == names
    assert ours.templates is not None
    assert all("{}" in template and not template.startswith(objective) for template in ours.templates)


def test_captions_are_lines_with_written_line_breaks(tmp_path: Path) -> None:
    wds_captions(tmp_path)
    ours = WebDatasetCaptions(str(tmp_path / "wds_captions"))
    assert isinstance(ours, KeyedSource)
    captions = {ours.key(index): ours[index].captions for index in range(len(ours))}
    assert captions == {
        "s0000000": ("a red kite", "a child flies a kite"),
        "s0000001": ("a line\nbreak inside", "another caption"),
        "s0000002": ("only one",),
    }


def test_each_kind_of_data_set_has_its_reader(tmp_path: Path, folder: Path) -> None:
    wds_captions(tmp_path)
    with pytest.raises(DataError, match=r"says retrieval.*WebDatasetCaptions"):
        reader(tmp_path / "wds_captions")
    with pytest.raises(DataError, match=r"must say retrieval.*WebDatasetLayout"):
        WebDatasetCaptions(str(folder))
    (folder / "dataset_type.txt").write_text("multilabl")
    with pytest.raises(DataError, match="did you mean multilabel"):
        reader(folder)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (None, "nshards.txt is missing"),
        ("", "expected the number of shards, got ''"),
        ("two", "expected the number of shards, got 'two'"),
        ("0", "expected the number of shards, got '0'"),
        ("-2", "expected the number of shards"),
        ("3\n", "says 3 shards, but .*2.tar is missing"),
        ("1", "says 1 shards, but there is 1.tar as well"),
    ],
)
def test_the_number_of_shards_must_agree(folder: Path, count: str | None, message: str) -> None:
    file = folder / "test/nshards.txt"
    file.unlink() if count is None else file.write_text(count)
    with pytest.raises(DataError, match=message):
        reader(folder)


def broken(tmp_path: Path, members: Mapping[str, Content], kind: str | None = None) -> Path:
    """One shard with these members."""
    write_wds(tmp_path, NAMES, [{"cls": "1"}], kind=kind, shards=1)
    write_tar(tmp_path / "test/0.tar", members.items())
    return tmp_path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.webp": picture("a"), "a.cls": "7"}, r"example a: label 7 lies outside of \[0, 6\], as there are 7 class names"),
        ({"a.webp": picture("a"), "a.cls": "-1"}, "its .cls is no class number"),
        ({"a.webp": picture("a"), "a.cls": "cat"}, r"its .cls is no class number \(b'cat'\)"),
        ({"a.webp": picture("a"), "a.cls": ""}, "its .cls is no class number"),
        ({"a.webp": picture("a"), "a.cls": "1", "b.webp": picture("b")}, "1 examples have no .cls, such as b"),
        ({"a.webp": picture("a"), "a.cls": "1", "b.cls": "1"}, "1 examples have no image, such as b"),
        ({"notes.md": "nothing"}, "no examples in it"),
    ],
)
def test_members_must_be_pairs_with_a_label_in_range(tmp_path: Path, members: dict[str, Content], message: str) -> None:
    with pytest.raises(DataError, match=message):
        reader(broken(tmp_path, members))


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (npy([1, 0, 2, 0, 0, 0, 0]), "labels must be 0 or 1, got 2.0"),
        (npy([1, 0]), "labels of 2 classes, and 7 class names"),
        (b"no array", "its .npy cannot be read"),
        (pickle.dumps([1, 0]), "its .npy cannot be read"),
    ],
)
def test_vectors_of_labels_must_fit(tmp_path: Path, vector: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        reader(broken(tmp_path, {"a.webp": picture("a"), "a.npy": vector}, "multilabel"))


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


def test_no_array_is_unpickled(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"its \.npy cannot be read"):
        reader(broken(tmp_path, {"a.webp": picture("a"), "a.npy": buffer.getvalue()}, "multilabel"))


def test_metadata_must_have_as_many_values_as_names(tmp_path: Path) -> None:
    wds(tmp_path, "fmow", columns=[[0, 1]] * 6)
    with pytest.raises(DataError, match=r"its \.npy holds 2 values, expected 3"):
        reader(tmp_path / "wds_fmow_test", metadata=["region", "year", "y"])
    with pytest.raises(ValueError, match="value_names must name columns of metadata"):
        reader(tmp_path / "wds_fmow_test", value_names={"region": ["Asia"]})


def test_templates_need_the_placeholder(folder: Path) -> None:
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {}.\n")
    with pytest.raises(DataError, match=r"lacks the placeholder \{c\}"):
        reader(folder)


def test_missing_lists_are_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"classnames\.txt has no lines race:... \(objective\); set objective to null"):
        reader(folder, objective="race")
    (folder / "classnames.txt").unlink()
    with pytest.raises(DataError, match=r"classnames\.txt is missing"):
        reader(folder)


def test_a_shard_that_was_cut_is_refused(folder: Path) -> None:
    shard = folder / "test/1.tar"
    content = shard.read_bytes()
    with tarfile.open(shard) as tar:
        starts = [member.offset for member in tar]
    for end in (starts[-2], starts[-1] + 100, starts[-1] + 512, starts[-1] + 1024):  # before, in and behind the last members
        shard.write_bytes(content[:end])
        with pytest.raises(DataError, match=r"test/1\.tar is cut off, for it lacks the end of a tar; download it again"):
            WebDatasetLayout(str(folder))


def test_tables_of_contents_are_kept_apart_from_those_of_other_layouts(folder: Path, tmp_path: Path) -> None:
    storage = Storage(cache=str(tmp_path / "cache"))
    wds_captions(tmp_path)
    place = tmp_path / "wds_captions"
    for _ in range(2):  # written, and read again
        assert Shards(str(place / "test"), storage=storage).key(0) == WebDatasetCaptions(str(place), storage=storage).key(0)
        assert reader(folder, storage=storage).labels.tolist() == reader(folder).labels.tolist()
    assert len(list((tmp_path / "cache/index").glob("*.npy"))) == 2 * 2 + 2


def test_equal_data_sets_are_equal(folder: Path, tmp_path: Path) -> None:
    assert reader(folder) == reader(folder)
    assert len({reader(folder), reader(folder)}) == 1
    assert reader(folder) != reader(folder, name="other")
    wds(tmp_path / "elsewhere", "mine")
    assert reader(folder) != reader(tmp_path / "elsewhere/wds_mine_test")


SUFFIXES = ["webp", "png", "cls", "npy", "txt"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(STEMS), st.sampled_from(SUFFIXES), st.binary(max_size=12)), max_size=8))
def test_wild_members_are_read_or_refused(tmp_path: Path, members: list[tuple[str, str, bytes]]) -> None:
    write_wds(tmp_path, NAMES, [{"cls": "1"}], shards=1)
    write_tar(tmp_path / "test/0.tar", [(f"{stem}.{suffix}", content) for stem, suffix, content in members])
    with suppress(DataError):
        ours = reader(tmp_path)
        assert set(ours.labels.tolist()) <= set(range(len(NAMES)))
        for index in range(len(ours)):
            image = members_of(members, ours.key(index))
            assert ours[index].image == image  # or a bad example, where it has no bytes


def members_of(members: list[tuple[str, str, bytes]], key: str) -> bytes:
    """The first picture of this name."""
    return next(content for stem, suffix, content in members if stem == key and suffix in ("webp", "png"))
