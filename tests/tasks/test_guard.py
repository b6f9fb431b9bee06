"""What is refused of guarded data, and patients that are trained and tested on."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.data.medical.clinic import PLANTED, Clinic, clinic, exam
from tests.data.samples import Grey

from concord.access import Access
from concord.benchmarks import Bench, Results
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.figures import confusion, patch_map, projection
from concord.benchmarks.gallery import Candidate, GalleryItem
from concord.benchmarks.task import Task
from concord.data import Joined
from concord.data.medical import MedicalImages
from concord.data.source import Source
from concord.data.wrapper import Selection
from concord.errors import ConfigError, DataError
from concord.tasks.guard import keep_to_owner, refuse_guarded, refuse_shared_patients
from concord.training.loggers import RunLogger
from concord.types import Embeddings


class Showing(Task):
    """A task that shows all that it can."""

    kind = "showing"

    def __init__(self, reader: Any, train: Any = None) -> None:
        super().__init__(reader)
        self.train = train

    def run(self, evaluation: Evaluation) -> Results:
        item = GalleryItem(self.kind, self.reader.name, np.zeros((8, 8, 3), np.uint8), PLANTED, [], [Candidate(PLANTED, None, 1.0, True)])
        figures = {
            "counts": confusion("counts", ["a", "b"], [[1, 0], [0, 1]]),
            "points": projection("points", [[0.0, 1.0]], [PLANTED]),
            PLANTED: patch_map(PLANTED, np.zeros((8, 8, 3), np.uint8), {"word": [[1.0]]}),
        }
        return Results(gallery=[item], figures=figures)


class Silent:
    """A model that nobody asks."""

    def embed_images(self, images: Any) -> Embeddings:
        return Embeddings(torch.zeros(len(images), 2))

    embed_texts = embed_images


def test_wishes_to_show_guarded_data_are_refused_in_one_line(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(0)], "credentialed")
    refuse_guarded("logger.wandb.media=true", [Grey(3), Showing(Grey(3))], "null shows those of open data")
    for thing in (source, Joined({"a": source}), Showing(source), Showing(Grey(3), train=source)):
        with pytest.raises(ConfigError) as error:
            refuse_guarded("logger.wandb.media=true", [Grey(3), thing], "null shows those of open data")
        assert str(error.value).startswith("logger.wandb.media=true: ")
        assert str(error.value).endswith(
            "is credentialed, so no picture, text or path of it may be shown or copied; null shows those of open data"
        )


@pytest.mark.parametrize(("access", "mode"), [("open", 0o755), ("restricted", 0o700), ("credentialed", 0o700)])
def test_runs_on_guarded_data_are_for_their_owner_alone(access: Access, mode: int, tmp_path: Path) -> None:
    source = clinic(tmp_path / "in", [exam(0)], access)
    run = tmp_path / "run"
    run.mkdir(0o755)

    keep_to_owner(run, [Grey(3), Showing(source)])

    assert run.stat().st_mode & 0o777 == mode


def test_of_guarded_data_a_bench_shows_only_what_is_of_many(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = clinic(tmp_path / "in", [exam(0)], "restricted")
    bench = Bench({"guarded": Showing(source), "learned": Showing(Named(Grey(3)), train=source)}, bootstrap=100)
    for _ in range(2):
        results = bench.run(Silent())
    assert results.gallery == []
    assert list(results.figures) == ["counts"]
    lines = [line for line in caplog.messages if "none of its examples is shown" in line]
    assert lines == ["clinic is restricted: none of its examples is shown", "named is restricted: none of its examples is shown"]
    results.write(tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file() and PLANTED.encode() in path.read_bytes()]
    assert json.loads((tmp_path / "out" / "gallery" / "gallery.json").read_text()) == []
    shown = Bench({"open": Showing(Grey(3))}, bootstrap=100).run(Silent())
    assert len(shown.gallery) == 1
    assert len(shown.figures) == 3


class Named(Grey):
    name = "named"

    def __init__(self, source: Grey) -> None:
        super().__init__(len(source))


class Recording(RunLogger):
    shown = 0

    def _write_predictions(self, items: Any, folder: Path, step: int) -> None:
        self.shown += len(items)


@pytest.mark.parametrize(("media", "shown"), [(None, 2), (True, 2), (False, 0)])
def test_loggers_show_examples_or_not(tmp_path: Path, media: bool | None, shown: int) -> None:
    logger = Recording(media)
    logger.log_predictions([{}, {}], tmp_path, 1)
    assert logger.shown == shown


def test_nothing_to_show_is_not_logged(tmp_path: Path) -> None:
    class Strict(RunLogger):
        def _write_predictions(self, items: Any, folder: Path, step: int) -> None:
            raise AssertionError("an empty table was logged")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Strict().log_predictions([], tmp_path, 1)


def bench_of(*readers: Source) -> Bench:
    return Bench({f"test{number}": Showing(reader) for number, reader in enumerate(readers)}, bootstrap=100)


def test_patients_in_training_and_test_are_refused_with_their_number(tmp_path: Path) -> None:
    train = clinic(tmp_path / "a", [exam(number) for number in range(6)], "credentialed")
    test = clinic(tmp_path / "b", [exam(number, split="test") for number in range(4, 9)], "credentialed", split="test", name="held out")
    with pytest.raises(DataError) as error:
        refuse_shared_patients(Joined({"a": train}), bench_of(test))
    assert "2 of 5 patients of benchmark.tasks.test0 are in the training data (clinic)" in str(error.value)
    assert PLANTED not in str(error.value)
    left = clinic(tmp_path / "a", [exam(number) for number in range(6)], "credentialed", exclude=[test])
    refuse_shared_patients(left, bench_of(test))


def test_those_of_one_cohort_are_compared_and_others_are_not(tmp_path: Path) -> None:
    def of(name: str, cohort: str) -> MedicalImages:
        return MedicalImages(Clinic(tmp_path / name, [exam(0, "1")], cohort=cohort, name=name))

    refuse_shared_patients(of("a", ""), bench_of(of("b", "")))  # patient 1 of another hospital
    with pytest.raises(DataError, match="1 of 1 patients"):
        refuse_shared_patients(of("a", "c"), bench_of(of("b", "c")))
    refuse_shared_patients(Selection(Grey(3), np.array([1])), bench_of(of("b", "")))


def test_a_fault_of_a_task_over_guarded_data_keeps_its_words_back(tmp_path: Path) -> None:
    class Faulty(Showing):
        def run(self, evaluation: Evaluation) -> Results:
            raise KeyError(PLANTED)

    source = clinic(tmp_path, [exam(0)], "restricted")
    with pytest.raises(DataError, match=r"a fault of the program over restricted data: KeyError in test_guard\.py") as error:
        Bench({"faulty": Faulty(source)}, bootstrap=100, skip_missing=True).run(Silent())
    assert PLANTED not in str(error.value)
    with pytest.raises(KeyError, match=PLANTED):
        Bench({"faulty": Faulty(Grey(3))}, bootstrap=100).run(Silent())
