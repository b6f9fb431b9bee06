"""Pictures of a test, each once, and what becomes of questions that cannot be asked."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import pytest

from concord.data import BadSample, Source, Storage
from concord.data.benchmarks.compositional.questions import Questions, images_item, match_item, texts_item
from concord.data.benchmarks.compositional.tables import find_rows
from concord.data.benchmarks.pictures import Box, Cell, CellPictures, File, FilePictures
from concord.data.source import fingerprint_of, is_keyed, location_of
from concord.errors import DataError
from concord.images import decode
from concord.items import Item
from tests.data.benchmarks import compositional_fixtures as fixtures
from tests.data.storage.server import FileServer


@pytest.fixture
def pictures(tmp_path: Path) -> FilePictures:
    fixtures.write_images(tmp_path, ["0.png", "1.png", "2.png"])
    return FilePictures("test", str(tmp_path), Storage())


def shade(source: FilePictures | CellPictures, index: int) -> int:
    return decode(source[index].image).getpixel((0, 0))[0]  # type: ignore[index]


def test_a_picture_gets_one_number_and_a_box_of_it_another(pictures: FilePictures) -> None:
    box = Box(0, 0, 4, 4)
    assert [pictures.file("1.png"), pictures.file("0.png"), pictures.file("1.png"), pictures.file("1.png", box)] == [0, 1, 0, 2]
    assert len(pictures) == 3
    assert [pictures.key(index) for index in range(3)] == ["1.png", "0.png", "1.png@0,0,4,4"]
    assert [shade(pictures, index) for index in range(3)] == [10, 0, 10]
    assert decode(pictures[2].image).size == (4, 4)
    assert (pictures[0].captions, pictures[0].source) == ((), "test")


def test_pictures_are_a_source_that_survives_a_process(pictures: FilePictures) -> None:
    pictures.file("2.png")
    again = pickle.loads(pickle.dumps(pictures))
    assert isinstance(again, Source)
    assert is_keyed(again)
    assert shade(again, 0) == 20
    assert location_of(again, 0).endswith("/2.png")
    assert fingerprint_of(again) == fingerprint_of(pictures)
    again.file("0.png")
    assert fingerprint_of(again) != fingerprint_of(pictures)


@pytest.mark.parametrize(
    ("box", "size", "corner"),
    [
        (Box(10, 5, 20, 15), (20, 15), (10, 5)),
        (Box(30, 20, 20, 20), (10, 10), (30, 20)),
        (Box(-5, -3, 10, 10), (5, 7), (0, 0)),
        (Box(0.4, 0.6, 39.6, 30), (40, 29), (0, 1)),
    ],
)
def test_a_box_is_cut_at_the_border(tmp_path: Path, box: Box, size: tuple[int, int], corner: tuple[int, int]) -> None:
    fixtures.write_photographs(tmp_path, ["a.png"])
    pictures = FilePictures("test", str(tmp_path), Storage(), [File("a.png", box)])
    part = decode(pictures[0].image)
    assert part.size == size
    assert part.getpixel((0, 0))[:2] == corner  # type: ignore[index]


def test_a_box_outside_and_a_broken_picture_are_bad_samples(tmp_path: Path) -> None:
    fixtures.write_photographs(tmp_path, ["a.png"])
    (tmp_path / "b.png").write_bytes(b"no picture")
    pictures = FilePictures("test", str(tmp_path), Storage(), [File("a.png", Box(40, 0, 5, 5)), File("b.png", Box(0, 0, 5, 5))])
    with pytest.raises(BadSample, match=r"a\.png@40,0,5,5: box lies outside of the image"):
        pictures[0]
    with pytest.raises(BadSample, match=r"b\.png@0,0,5,5: image cannot be decoded"):
        pictures[1]


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    fixtures.write_images(tmp_path, ["secret.png", "images/a.png"])
    pictures = FilePictures("test", str(tmp_path / "images"), Storage(), [File("../secret.png"), File("a.png")])
    assert pictures.missing() == [0]
    with pytest.raises(BadSample, match="image path leaves image_root"):
        pictures[0]


def test_pictures_in_parquet_are_read_by_row_and_place(tmp_path: Path) -> None:
    rows = [{"image": fixtures.cell(10 * n), "listed": [fixtures.cell(100 + n), fixtures.cell(200 + n)]} for n in range(5)]
    fixtures.write_parquet(tmp_path / "rows.parquet", rows)
    table = find_rows(str(tmp_path), Storage())
    pictures = CellPictures("test", table, ".", Storage(), [Cell(4, "image"), Cell(3, "listed.1")])
    assert [shade(pictures, index) for index in range(2)] == [40, 203]
    assert pictures.key(1) == "rows/3/listed.1"
    assert pictures.missing() == []
    assert "rows.parquet" in location_of(pictures, 0)
    assert shade(pictures.take([1]), 0) == 203
    with pytest.raises(DataError, match="no column 'picture'"):
        CellPictures("test", table, ".", Storage(), [Cell(0, "picture")])[0]


def test_behind_a_url_pictures_are_looked_for_when_they_are_read(tmp_path: Path) -> None:
    fixtures.write_images(tmp_path, ["images/a.png"])
    with FileServer(tmp_path) as server:
        pictures = FilePictures("test", f"{server.url}/images", Storage(retries=0), [File("a.png"), File("gone.png")])
        assert pictures.missing() == []
        assert shade(pictures, 0) == 0
        assert pictures.first_of(["gone.png", "a.png"]) == "a.png"
        with pytest.raises(BadSample):
            pictures[1]


def test_questions_without_a_wrong_answer_are_left_out_and_counted(pictures: FilePictures, caplog: pytest.LogCaptureFixture) -> None:
    first, second = pictures.file("0.png"), pictures.file("1.png")
    items = [
        texts_item("a", first, ["a dog"], []),
        texts_item("b", second, ["a dog"], ["a cat"]),
        images_item("c", "a dog", [first], [first]),
        match_item("d", [first, first], ["a dog", "a cat"]),
    ]
    with caplog.at_level(logging.WARNING):
        test = Questions(pictures, items, "here")
    assert test.items == [Item("b", "texts", (0,), ("a dog", "a cat"))]
    assert test.unanswerable == 3
    assert "3 of 4 questions have no wrong answer" in caplog.text
    assert [test.images.key(index) for index in range(len(test.images))] == ["1.png"]
    with pytest.raises(DataError, match="here: no question in it"):
        Questions(pictures, items[:1], "here")


def test_right_images_are_never_wrong_ones(pictures: FilePictures) -> None:
    numbers = [pictures.file(f"{n}.png") for n in range(3)]
    assert images_item("a", "dogs", numbers[1:2], numbers) == Item("a", "images", (1, 0, 2), ("dogs",))
    assert images_item("a", "dogs", numbers[1:], numbers, form="set", group="g") == Item("a", "set", (1, 2, 0), ("dogs",), 2, group="g")


def test_missing_pictures_are_refused_or_skipped_with_a_count(pictures: FilePictures, caplog: pytest.LogCaptureFixture) -> None:
    numbers = [pictures.file(name) for name in ("gone.png", "0.png", "1.png")]
    items = [match_item("a", numbers[:2], ["x", "y"]), match_item("b", numbers[1:], ["x", "y"])]
    what = r"here: 1 of 3 pictures are not in .*, such as gone\.png; complete the folder, or set missing to skip"
    with pytest.raises(DataError, match=what):
        Questions(pictures, items, "here")
    with caplog.at_level(logging.WARNING):
        test = Questions(pictures, items, "here", "skip")
    assert "1 of 2 questions are left" in caplog.text
    assert test.absent == 1
    assert test.items == [Item("b", "match", (0, 1), ("x", "y"))]
    with pytest.raises(DataError, match="no question is left; are the paths right"):
        Questions(pictures, items[:1], "here", "skip")


def test_a_fingerprint_tells_pictures_and_questions_apart(pictures: FilePictures) -> None:
    image = pictures.file("0.png")
    prints = {
        Questions(pictures, [texts_item("a", image, ["a dog"], [wrong], subset=subset)], "here").fingerprint()
        for wrong, subset in (("a cat", ""), ("a cow", ""), ("a cat", "part"))
    }
    assert len(prints) == 3
