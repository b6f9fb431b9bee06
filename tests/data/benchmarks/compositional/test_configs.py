"""The yaml of every test and the suites of them, built as a run builds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concord.benchmarks import Compositional, ObjectBias
from concord.config import build
from tests.composing import compose_config
from tests.conftest import ROOT
from tests.data.benchmarks.compositional_fixtures import FIXTURES


def tasks(suite: str, data: Path) -> dict[str, Any]:
    return compose_config(f"benchmark={suite}", f"benchmark_data={data}")["benchmark"]["tasks"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixtures of all tests in one folder, as a user has them."""
    folder = tmp_path_factory.mktemp("benchmarks")
    for write in FIXTURES.values():
        write(folder)
    return folder


@pytest.mark.parametrize("name", FIXTURES)
def test_a_test_is_read_where_its_yaml_looks_for_it(name: str, data: Path) -> None:
    node = compose_config(f"+test@benchmark.tasks.mine={name}", f"benchmark_data={data}", "benchmark=off")["benchmark"]["tasks"]["mine"]
    task = build(node, name)
    assert task.reader.name == name
    if isinstance(task, ObjectBias):
        assert len(task.reader) == 4
        return
    assert isinstance(task, Compositional)
    assert task.reader.items
    subsets = {item.subset for item in task.reader.items}
    for mean, parts in task.means.items():
        assert set(parts) <= subsets | set(task.means), f"{mean} is a mean of subsets that {name} has not"
    assert task.excluded_groups.isdisjoint(("on", "holding"))


def test_the_suite_holds_every_test(data: Path) -> None:
    suite = tasks("compositional", data)
    assert set(suite) == set(FIXTURES) - {
        "crepe_systematicity",
        "winogavil",
    }  # for models of one corpus alone; association, which is no composition
    assert set(tasks("compositional_panel", data)) < set(suite)


def test_vg_relation_leaves_out_the_relations_that_its_authors_do(data: Path) -> None:
    excluded = tasks("compositional", data)["vg_relation"]["excluded_groups"]
    assert len(excluded) == len(set(excluded)) == 157
    assert {"near", "looking through", "in between", "flying over", "on the other side of"} <= set(excluded)


@pytest.mark.parametrize("name", [*FIXTURES, "compositional", "compositional_panel"])
def test_a_yaml_says_first_what_it_is(name: str) -> None:
    path = ROOT / "conf" / ("benchmark" if name.startswith("compositional") else "test") / f"{name}.yaml"
    assert path.read_text().startswith("# ")
