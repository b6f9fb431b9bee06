"""The yaml of probes, diagnostics and tests of text towers, and the suite of probes, built and run as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from concord.benchmarks import Bench, Task
from concord.config import build
from concord.types import Embeddings, RawImage
from tests.composing import compose_config
from tests.data.benchmarks.probe_fixtures import FIXTURES, probed


class Hashed:
    """Embeds anything as random numbers of its own."""

    def embed_images(self, images: list[RawImage]) -> Embeddings:
        return Embeddings(torch.stack([self._vector(bytes(image) if isinstance(image, bytes) else b"") for image in images]))

    def embed_texts(self, texts: list[str]) -> Embeddings:
        return Embeddings(torch.stack([self._vector(text.encode()) for text in texts]))

    def _vector(self, content: bytes) -> torch.Tensor:
        seed = int.from_bytes(content[-16:] + content[:8], "big") % 2**60
        return torch.randn(8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", FIXTURES)
def test_a_test_runs_where_its_yaml_looks_for_data(name: str, tmp_path: Path) -> None:
    FIXTURES[name](tmp_path)
    node = compose_config(f"+test@benchmark.tasks.mine={name}", f"benchmark_data={tmp_path}", "benchmark=off")["benchmark"]["tasks"]["mine"]
    task = build(node, name)
    assert isinstance(task, Task)
    results = Bench({"mine": task}, bootstrap=100).run(Hashed())
    assert results.records
    for record in results.records:
        if record.chance is not None:
            assert record.collapsed is not None
            assert record.collapsed <= record.chance + 1e-12, record.name


def test_the_suite_of_probes_measures_what_its_means_need(tmp_path: Path) -> None:
    probed(tmp_path)
    bench = build(compose_config("benchmark=probes", f"benchmark_data={tmp_path}", "benchmark.bootstrap=100")["benchmark"], "benchmark")
    assert isinstance(bench, Bench)
    results = bench.run(Hashed())
    assert not [name for name in results.skipped if name.startswith("summary/")]
    found = {record.name: record for record in results.records}
    for kind in ("linear_probe", "knn", "few_shot"):
        assert found[f"summary/{kind}/mean"].n == 6


def test_a_yaml_says_first_what_it_is(conf_folder: Path) -> None:
    for path in (*(conf_folder / "test" / f"{name}.yaml" for name in FIXTURES), conf_folder / "benchmark/probes.yaml"):
        assert path.read_text().startswith("# ")
