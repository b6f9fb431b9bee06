"""The files of configuration of these data sets and the suites that are made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.data.benchmarks.classification_fixtures import FIXTURES

PACKAGE = "concord.data.benchmarks.classification."


def members_of(conf_folder: Path, suite: str) -> list[str]:
    """The names of the files that a suite is made of."""
    defaults = yaml.safe_load((conf_folder / f"benchmark/{suite}.yaml").read_text())["defaults"]
    return [name for entry in defaults if isinstance(entry, dict) for key, name in entry.items() if key.startswith("/test@")]


def settings_of(conf_folder: Path) -> dict[str, dict[str, Any]]:
    """Those of the tests of classification, by file."""
    read = {path.stem: yaml.safe_load(path.read_text()) for path in (conf_folder / "test").glob("*.yaml")}
    own = {name: spec for name, spec in read.items() if spec.get("reader", {}).get("_target_", "").startswith(PACKAGE)}
    return {name: spec for name, spec in own.items() if "train" not in spec}  # probes have fixtures of their own


def test_every_test_has_a_fixture(conf_folder: Path) -> None:
    assert set(settings_of(conf_folder)) == set(FIXTURES)


def test_names_of_records_are_those_of_the_files(conf_folder: Path) -> None:
    """So that suites can name the records that their means are made of."""
    for name, spec in settings_of(conf_folder).items():
        if not name.startswith("torchvision_"):
            assert spec["reader"]["name"] in (name, name.removesuffix("_folder"), "mine", "caltech101_zhou"), name


@pytest.mark.parametrize(("suite", "count"), [("vtab", 19), ("datacomp38", 38), ("zero_shot", 23), ("robustness", 12), ("medical", 64)])
def test_suites_are_complete(conf_folder: Path, suite: str, count: int) -> None:
    names = members_of(conf_folder, suite)
    assert len(names) == len(set(names)) == count
    assert all((conf_folder / f"test/{name}.yaml").is_file() for name in names)


def test_datacomp_has_its_folders(conf_folder: Path) -> None:
    places = [spec["reader"]["path"] for name, spec in settings_of(conf_folder).items() if name in members_of(conf_folder, "datacomp38")]
    assert len(places) == 35
    assert all(place.startswith("${benchmark_data}/wds_") and place.endswith("_test") for place in places)


def test_means_name_what_the_suite_measures(conf_folder: Path) -> None:
    readers = {path.stem: yaml.safe_load(path.read_text()).get("reader", {}) for path in (conf_folder / "test").glob("*.yaml")}
    for suite in ("vtab", "datacomp38", "zero_shot", "robustness", "medical"):
        spec = yaml.safe_load((conf_folder / f"benchmark/{suite}.yaml").read_text())
        measured = {readers[name].get("name") for name in members_of(conf_folder, suite)}
        for summary in spec["summaries"].values():
            named = [*summary.get("records", []), *(summary[key] for key in ("reference", "shifted") if key in summary)]
            assert named
            assert {record.split("/")[1] for record in named if record.startswith("zero_shot/")} <= measured
