"""The notebooks run from the first cell to the last."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from concord.tasks import run
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config
from tests.conftest import ROOT


def test_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = compose_config(*SMALL_MODEL, *SMALL_DATA, "trainer.accelerator=cpu", "trainer.max_steps=2", "benchmark=off")
    run(cfg, tmp_path / "run")
    monkeypatch.setenv("CONCORD_RUN", str(tmp_path / "run"))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own, which shows pictures in the page
    notebook = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": os.fspath(ROOT / "notebooks")}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("captions find their picture first" in output.get("text", "") for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
