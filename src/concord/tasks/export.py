"""`task=export`: hand a model on as safetensors and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from concord.models.checkpoint import export as write_export
from concord.tasks.assemble import require_path


def export(cfg: dict[str, Any], folder: Path, checkpoint: str | None, output: str | None) -> Path:
    """Write a checkpoint as a folder that `concord.load` reads: `output`, or `export/` in this job's folder.

    Raises:
        ConfigError: without a checkpoint.
        CheckpointError: for one that cannot be read.
    """
    path = require_path(checkpoint, "checkpoint", "task=export checkpoint=runs/.../checkpoints/best.ckpt output=my_model")
    written = write_export(path, Path(output) if output is not None else folder / "export")
    Console().print(f"exported: {written}", soft_wrap=True)
    return written
