from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.walks.every_test import fixtures


@pytest.fixture(scope="session")
def all_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data sets of all tests, which tests only read."""
    folder = tmp_path_factory.mktemp("every_test")
    for write in fixtures().values():
        write(folder)
    return folder
