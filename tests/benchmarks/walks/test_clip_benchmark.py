"""An OpenCLIP model on shards in CLIP_benchmark's layout gets here the numbers that it gets there."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.tasks import run
from tests.benchmarks.walks.parity import METRICS, by_definition, different, ours, theirs
from tests.benchmarks.walks.parity_data import write_data, write_random_model
from tests.composing import SMALL_MODEL, compose_config

pytestmark = pytest.mark.filterwarnings("ignore")

COMMITTED = {
    "acc1": 0.075,
    "acc5": 0.3875,
    "mean_per_class_recall": 0.0680785989609519,
    "mean_average_precision": 0.3790084421634674,
    "image_retrieval_recall@1": 0.00501253129914403,
    "image_retrieval_recall@5": 0.02506265603005886,
    "image_retrieval_recall@10": 0.0476190485060215,
    "text_retrieval_recall@1": 0.009999999776482582,
    "text_retrieval_recall@5": 0.03999999910593033,
    "text_retrieval_recall@10": 0.05999999865889549,
}
"""What clip_benchmark 1.6.2 says of the random model; `tests/performance/clip_benchmark_parity.py` prints it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=["random", "trained"])
def model(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights, and one that was trained here and exported."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "random":
        return write_random_model(folder / "random")
    source = ("data=shards", f"data.path={data / 'pairs.tar'}", "data.workers=0", "data.batch_size=32")
    training = ("model.image.stem=linear", "optimizer.lr=3e-3", "trainer.max_steps=100", "trainer.accelerator=cpu", "benchmark=off")
    run(compose_config(*SMALL_MODEL, *source, *training), folder / "run")
    run(compose_config("task=export", f"checkpoint={folder / 'run'}", f"output={folder / 'trained'}", "task.format=open_clip"), folder)
    return folder / "trained"


def test_the_numbers_are_those_of_the_definitions(model: Path, data: Path) -> None:
    found = ours(model, data)
    assert different(found, by_definition(model, data), 1e-11) == {}
    if model.name == "trained":
        assert found["acc1"].value > 3 / 12
        assert found["mean_average_precision"].value > 0.5
    else:
        assert different(found, COMMITTED) == {}
    assert found["acc1"].chance == pytest.approx(1 / 12)
    assert set(found) == set(METRICS)


def test_the_numbers_are_those_of_clip_benchmark_where_it_is_installed(model: Path, data: Path) -> None:
    pytest.importorskip("clip_benchmark")
    said = theirs(model, data)
    assert set(said) == set(METRICS)
    assert different(ours(model, data), said) == {}
    if model.name == "random":
        assert said == pytest.approx(COMMITTED, abs=1e-9)
