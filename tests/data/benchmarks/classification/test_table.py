"""Tables of pictures and classes, in every file that may hold them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data.benchmarks.classification import LabelledTable
from concord.errors import ConcordError, ConfigError, DataError
from tests.data.benchmarks.classification.drawn import picture, write_csv, write_picture
from tests.data.benchmarks.classification.table_layouts import annotations, chexpert, chexpert_5x200, ham10000, nih, retina, table

FIVE = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]


def labels(reader: LabelledTable) -> list[Any]:
    return [reader[index].metadata.get("label", reader[index].metadata.get("labels")) for index in range(len(reader))]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Four pictures, cat and dog by turns."""
    table(tmp_path, "t/labels.csv", ["image", "label", "region"], [[f"{n}.png", ("dog", "cat")[n % 2], "A, B"] for n in range(4)], 0, "t")
    return tmp_path / "t/labels.csv"


def test_names_are_numbered_by_the_alphabet_the_list_or_the_values(own: Path) -> None:
    reader = LabelledTable(str(own))
    assert (reader.class_names, labels(reader)) == (["cat", "dog"], [1, 0, 1, 0])
    assert (reader.name, reader.key(3), reader.metadata(0)["region"]) == ("labels", "3.png", "A, B")
    assert labels(LabelledTable(str(own), class_names=["dog", "cat"])) == [0, 1, 0, 1]
    renamed = LabelledTable(str(own), values=["dog", "cat"], class_names=["a hound", "a tabby"])
    assert (renamed.metadata(0)["class_name"], labels(renamed)) == ("a hound", [0, 1, 0, 1])
    assert len(LabelledTable(str(own), values=["cat"])) == 2
    assert labels(LabelledTable(str(own), image=0, label=1)) == [1, 0, 1, 0]
    with pytest.raises(DataError, match="'dog' is no class; did you mean dogs"):
        LabelledTable(str(own), class_names=["cat", "dogs"])
    with pytest.raises(DataError, match="no row is of one of the classes, such as 'dog'"):
        LabelledTable(str(own), values=["fox"])


def test_numbers_are_labels_and_need_names(tmp_path: Path) -> None:
    annotations(tmp_path, "organs", 3)
    file = str(tmp_path / "organs/annotations.csv")
    reader = LabelledTable(file, 0, 2, class_names=["heart", "lung", "liver"], where={"split": "test"})
    assert labels(reader) == [1, 2, 0]
    assert len(LabelledTable(file, 0, 2, class_names=["heart", "lung", "liver"], where={"split": ["test", "train"]})) == 4
    with pytest.raises(ConfigError, match=r"class_names must be given: column label of .*annotations.csv holds numbers"):
        LabelledTable(file, 0, 2)
    with pytest.raises(DataError, match=r"label 2 lies outside of \[0, 1\]"):
        LabelledTable(file, 0, 2, class_names=["heart", "lung"])
    with pytest.raises(DataError, match="has no column 9; it has 4, numbered from 0"):
        LabelledTable(file, 9, 2, class_names=["heart"])
    with pytest.raises(DataError, match="no row is left by where: split = val"):
        LabelledTable(file, 0, 2, class_names=["heart", "lung", "liver"], where={"split": "val"})


def test_findings_are_yes_no_or_unknown_by_policy(tmp_path: Path) -> None:
    chexpert(tmp_path)
    file, root = str(tmp_path / "chexpert/CheXpert-v1.0/valid.csv"), str(tmp_path / "chexpert")

    def read(**policies: Any) -> list[list[int | None]]:
        where: dict[str, str | list[str]] = {"Frontal/Lateral": "Frontal"}
        return labels(LabelledTable(file, "Path", None, FIVE, where=where, image_root=root, **policies))

    unknown = read()
    assert len(unknown) == 7
    assert {value for row in unknown for value in row} == {0, 1, None}
    decided = read(uncertain="positive", blank="negative")
    assert {value for row in decided for value in row} == {0, 1}
    only_blank = read(uncertain="negative")
    for first, second, third in zip(unknown, decided, only_blank, strict=True):
        assert all(a is None or a == b == c for a, b, c in zip(first, second, third, strict=True))


def test_exclusive_findings_are_one_class(tmp_path: Path) -> None:
    chexpert_5x200(tmp_path)
    file, root = tmp_path / "unimed/local_data/chexpert-5x200.csv", str(tmp_path / "unimed/chexpert")
    reader = LabelledTable(str(file), "imgpath", None, FIVE, exclusive=True, image_root=root)
    assert labels(reader) == [0, 1, 2, 3, 4]
    assert "" not in reader.metadata(0)
    with pytest.raises(DataError, match="row 1: 0 of the findings are 1; exclusive findings need one per row"):
        LabelledTable(str(file), "imgpath", None, ["Atelectasis", "Edema"], exclusive=True, image_root=root)


def test_cells_may_hold_several_classes(tmp_path: Path) -> None:
    nih(tmp_path)
    classes = ["Effusion", "Cardiomegaly", "Pleural_Thickening"]
    place = {"image": "Image Index", "label": "Finding Labels", "image_root": str(tmp_path / "nih/images")}
    reader = LabelledTable(str(tmp_path / "nih/Data_Entry_2017.csv"), between="|", values=classes, **place)
    assert labels(reader) == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert reader.class_names == ["Effusion", "Cardiomegaly", "Pleural Thickening"]
    assert reader.metadata(2)["Patient ID"] == "1"


def test_suffixes_and_list_literals(tmp_path: Path) -> None:
    ham10000(tmp_path)
    root = str(tmp_path / "ham10000/HAM10000_images")
    reader = LabelledTable(str(tmp_path / "ham10000/HAM10000_metadata.csv"), "image_id", "dx", suffix=".jpg", image_root=root)
    assert reader.class_names == ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
    assert reader[0].key == "ISIC_0027300"
    retina(tmp_path, "25_REFUGE.csv", "REFUGE", ["no glaucoma", "glaucoma"])
    values = ["['no glaucoma']", "['glaucoma']"]
    fundus = LabelledTable(
        str(tmp_path / "unimed/local_data/25_REFUGE.csv"), "image", "categories", values=values, image_root=str(tmp_path / "unimed")
    )
    assert labels(fundus) == [0, 1]


def test_a_first_line_without_names(tmp_path: Path) -> None:
    write_csv(tmp_path / "truth.csv", ["n001.png", "Normal"], [["b001.png", "Benign"]])
    for name in ("n001.png", "b001.png"):
        write_picture(tmp_path / name)
    reader = LabelledTable(str(tmp_path / "truth.csv"), header=["image", "label"])
    assert {reader.key(index): reader[index].metadata["class_name"] for index in range(2)} == {"n001.png": "Normal", "b001.png": "Benign"}
    with pytest.raises(DataError, match=r"truth\.csv cannot be read"):
        LabelledTable(str(tmp_path / "truth.csv"), header=["image", "label", "third"])


def test_every_file_says_the_same(tmp_path: Path) -> None:
    rows = [{"image": f"{number}.png", "label": ["cat", "dog"][number % 2], "age": 7} for number in range(3)]
    for row in rows:
        write_picture(tmp_path / row["image"])
    write_csv(tmp_path / "t.csv", list(rows[0]), [list(row.values()) for row in rows])
    (tmp_path / "t.json").write_text(json.dumps(rows))
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    read = [LabelledTable(str(tmp_path / f"t.{suffix}")) for suffix in ("csv", "json", "jsonl", "parquet")]
    assert all(labels(reader) == [0, 1, 0] and reader.key(1) == "1.png" for reader in read)
    assert [reader.metadata(0)["age"] for reader in read] == ["7", 7, 7, 7]


def test_parquet_may_hold_pictures_and_lists_of_numbers(tmp_path: Path) -> None:
    rows = [{"image": {"bytes": picture(str(n)), "path": None}, "label": classes, "key": n} for n, classes in enumerate(([0, 2], [], [1]))]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    reader = LabelledTable(str(tmp_path / "t.parquet"), class_names=["a", "b", "c"])
    assert labels(reader) == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert (reader[2].image, reader[2].key) == (picture("2"), "2")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label": "lable"}, DataError, "no column 'lable' .label.; did you mean label"),
        ({"image": "img"}, DataError, "no column 'img' .image."),
        ({"label": None}, ConfigError, "give either label"),
        ({"findings": ["label"]}, ConfigError, "give either label"),
        ({"label": None, "findings": ["region"]}, DataError, "row 0: a finding must be 1, 0, -1 or empty, got 'A, B'"),
        ({"label": None, "findings": ["region"], "values": ["a"]}, ConfigError, "values and between belong to label"),
        ({"image_root": "/nowhere"}, DataError, "image_root: /nowhere: no such folder"),
        ({"suffix": ".jpg"}, DataError, "none of its images can be read .*image file not found"),
        ({"separator": "::"}, ValueError, "separator must be one character"),
        ({"class_names": "no such set"}, ConfigError, "there is no set no such set"),
    ],
)
def test_wrong_settings_are_refused(own: Path, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        LabelledTable(str(own), **options)


def test_only_csv_files_have_separators_and_headers(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("[{}]")
    with pytest.raises(ValueError, match="header belongs to CSV and TSV files"):
        LabelledTable(str(tmp_path / "t.json"), header=["image"])
    with pytest.raises(ValueError, match="separator and header belong to CSV and TSV files"):
        LabelledTable(str(tmp_path / "t.parquet"), separator=",")


CELLS = st.text(st.characters(codec="utf-8"), max_size=6)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.booleans())
def test_wild_cells_are_read_or_refused(tmp_path: Path, rows: list[tuple[str, str]], several: bool) -> None:
    (tmp_path / "a.png").write_bytes(picture("a"))
    write_csv(tmp_path / "t.csv", ["image", "label"], [("a.png", "known"), *rows])
    with suppress(ConcordError):
        reader = LabelledTable(str(tmp_path / "t.csv"), between="|" if several else None)
        assert reader.metadata(0).get("class_name", "known") == "known"
        assert reader[0].image == picture("a")
        assert len(labels_of(reader)) == len(reader)


def labels_of(reader: LabelledTable) -> list[Any]:
    """Of rows whose pictures need not be there."""
    return [reader.metadata(index) for index in range(len(reader))]
