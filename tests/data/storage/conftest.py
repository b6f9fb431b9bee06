from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.storage.server import FileServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    """Serves the folder `served`."""
    (tmp_path / "served").mkdir()
    with FileServer(tmp_path / "served") as running:
        yield running
