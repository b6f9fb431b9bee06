"""The bench: shared work, seeds, unreadable examples, and what is left in the run folder."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from concord.benchmarks import Bench, Compositional, Record, Results, Retrieval, ZeroShotClassification, read_records
from concord.benchmarks.records import write_records
from concord.errors import DataError
from concord.types import Embeddings
from tests.benchmarks.benchmark_fakes import FakeItems, FakeReader, FakeScorer, Guessing, Oracle

NAMES = ["red", "green", "blue"]
CAPTIONS = [[f"thing {i} in {NAMES[i % 3]}"] for i in range(30)]
METADATA = [{"label": i % 3} for i in range(30)]


def make_reader(name: str = "fake", broken: tuple[int, ...] = ()) -> FakeReader:
    return FakeReader(CAPTIONS, METADATA, NAMES, name, broken)


def make_bench(reader: FakeReader, **settings: int) -> Bench:
    tasks = {
        "zero_shot": ZeroShotClassification(reader, ["{}"]),
        "retrieval": Retrieval(reader),
        "compositional": Compositional(FakeItems(reader, lambda i: f"thing {i} in no colour")),
    }
    return Bench(tasks, **settings)


def test_tasks_that_share_a_reader_embed_its_images_once_per_run() -> None:
    scorer = Guessing()
    bench = make_bench(make_reader())
    bench.run(scorer)
    assert scorer.images == 30
    bench.run(scorer)
    assert scorer.images == 60  # the model may have changed in between


def test_the_same_bench_says_the_same_twice_and_the_order_of_tasks_does_not_matter() -> None:
    reader = make_reader()
    first = make_bench(reader, gallery=4).run(Guessing())
    assert make_bench(reader, gallery=4).run(Guessing()).records == first.records
    bench = Bench({"retrieval": Retrieval(reader), "zero_shot": ZeroShotClassification(reader, ["{}"])})
    assert {record.name: record for record in first.records}.items() >= {
        record.name: record for record in bench.run(Guessing()).records
    }.items()


def test_seed_0_is_a_seed_and_another_one_gives_another_subset() -> None:
    def subset(seed: int) -> list[float]:
        bench = Bench({"zero_shot": ZeroShotClassification(make_reader(), ["{}"], limit=10)}, seed=seed, gallery=0)
        scorer = Guessing()
        records = bench.run(scorer).records
        assert scorer.images == 10
        assert {record.seed for record in records} == {seed}
        return [record.value for record in records]

    assert subset(0) == subset(0)
    assert len({tuple(subset(seed)) for seed in range(5)}) > 1


def test_unreadable_examples_are_left_out_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    results = make_bench(make_reader(broken=(0, 7))).run(Oracle([[*own, NAMES[i % 3]] for i, own in enumerate(CAPTIONS)]))
    numbers = [record for record in results.records if record.metric not in ("mean_recall", "rsum")]  # those are of both sides
    assert {record.n for record in numbers} == {28}
    assert {record.value for record in numbers} == {1.0}
    assert "2 of 30 examples cannot be read and are left out (mostly: no such picture)" in caplog.text
    with pytest.raises(DataError, match="none of 30 examples can be read"):
        make_bench(make_reader(broken=tuple(range(30)))).run(Guessing())


class Picky(Guessing):
    """Cannot decode some pictures."""

    def embed_images(self, images: list) -> Embeddings:
        if any(int(image[0, 0, 2]) in (3, 4, 21) for image in images):
            raise DataError("cannot decode image: broken")
        return super().embed_images(images)


def test_pictures_that_cannot_be_decoded_are_left_out() -> None:
    results = Bench({"retrieval": Retrieval(make_reader())}, gallery=30).run(Picky())
    assert results.records[0].n == 27
    assert {item.truth[0] for item in results.gallery if item.task == "image_to_text"} == {
        CAPTIONS[i][0] for i in range(30) if i not in (3, 4, 21)
    }


def test_tasks_that_would_report_the_same_names_are_refused() -> None:
    with pytest.raises(ValueError, match="tasks a and b would both report retrieval/fake"):
        Bench({"a": Retrieval(make_reader()), "b": Retrieval(make_reader())})
    Bench({"a": Retrieval(make_reader()), "b": Retrieval(make_reader("other"))})


@pytest.mark.parametrize(("settings", "message"), [({"seed": -1}, "seed"), ({"bootstrap": 10}, "bootstrap"), ({"gallery": -1}, "gallery")])
def test_wrong_settings_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message} must be at least"):
        Bench({}, **settings)


def test_a_bench_without_tasks_finds_nothing() -> None:
    assert Bench({}).run(FakeScorer()) == Results()


def test_records_are_written_and_read_back(tmp_path: Path) -> None:
    records = [
        Record("retrieval", "shapes", "r1", 0.25, 0.002, 0.2, 0.3, 500, "image_to_text", 7),
        Record("diagnostics", "shapes", "modality_gap", 0.5, None, None, None, 256),
    ]
    write_records(records, tmp_path / "records.json")
    assert read_records(tmp_path / "records.json") == records
    assert [record.name for record in records] == ["retrieval/shapes/image_to_text/r1", "diagnostics/shapes/modality_gap"]
    write_records([Record("diagnostics", "shapes", "alignment", math.nan, None, None, None, 2)], tmp_path / "records.json")
    assert "NaN" not in (tmp_path / "records.json").read_text()
    assert math.isnan(read_records(tmp_path / "records.json")[0].value)


def test_the_gallery_shows_questions_and_answers_with_pictures(tmp_path: Path) -> None:
    right = [[*own, NAMES[i % 3]] for i, own in enumerate(CAPTIONS)]
    results = make_bench(make_reader(), gallery=4).run(Oracle(right, -1.0, -2.0))
    results.write(tmp_path)
    rows = json.loads((tmp_path / "gallery" / "gallery.json").read_text())
    assert [row["task"] for row in rows] == ["zero_shot"] * 4 + ["image_to_text"] * 4 + ["text_to_image"] * 4 + ["compositional"] * 4
    for row in rows[:12]:
        assert row["dataset"] == "fake"
        assert (row["image"] is None, row["query"] is None) == ((True, False) if row["task"] == "text_to_image" else (False, True))
        assert row["top"][0]["correct"]
        assert row["top"][0]["score"] == -1.0
        assert len(row["top"]) == (3 if row["task"] == "zero_shot" else 5)
        best = row["top"][0]["label"]
        assert row["truth"] == [best]
    names = {entry["image"] for row in rows for entry in (row, *row["top"]) if entry["image"] is not None}
    assert {path.name for path in (tmp_path / "gallery").glob("*.png")} == names
    for name in names:
        with Image.open(tmp_path / "gallery" / name) as picture:
            assert picture.size == (102, 128)
    assert len(read_records(tmp_path / "records.json")) == len(results.records)


def test_thumbnails_show_the_right_picture(tmp_path: Path) -> None:
    results = Bench({"retrieval": Retrieval(make_reader())}, gallery=3).run(Oracle(CAPTIONS))
    results.write(tmp_path)
    rows = json.loads((tmp_path / "gallery" / "gallery.json").read_text())
    for row in rows:
        name, words = (row["image"], row["truth"][0]) if row["query"] is None else (row["top"][0]["image"], row["query"])
        with Image.open(tmp_path / "gallery" / name) as picture:
            assert f"thing {np.asarray(picture)[0, 0, 2]} in" in words


def test_a_new_gallery_replaces_the_old_one(tmp_path: Path) -> None:
    for i in range(2):
        reader = FakeReader(CAPTIONS[i * 10 : i * 10 + 10])
        Bench({"retrieval": Retrieval(reader)}, gallery=2, seed=i).run(Guessing()).write(tmp_path)
        rows = json.loads((tmp_path / "gallery" / "gallery.json").read_text())
        names = {entry["image"] for row in rows for entry in (row, *row["top"]) if entry["image"] is not None}
        assert {path.name for path in (tmp_path / "gallery").iterdir()} == {*names, "gallery.json"}
