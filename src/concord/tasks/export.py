"""`task=export`: hand a model on, in our format or in another library's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from concord.errors import ConfigError, nearest
from concord.models.checkpoint import export as write_export
from concord.models.interop import EXPORTS
from concord.tasks.assemble import require_path


def export(cfg: dict[str, Any], folder: Path, checkpoint: str | None, output: str | None, format: str) -> Path:
    """Write a checkpoint as a folder: `output`, or `export/` in this job's folder.

    Raises:
        ConfigError: without a checkpoint, or for an unknown format.
        CheckpointError: for a checkpoint that cannot be read.
        IncompatibleError: for a model that the format cannot express.
    """
    if format not in ("concord", *EXPORTS):
        raise ConfigError(f"task.format={format} is no format; {nearest(format, ('concord', *EXPORTS))}")
    path = require_path(checkpoint, "checkpoint", "task=export checkpoint=runs/.../checkpoints/best.ckpt output=my_model")
    written = write_export(path, Path(output) if output is not None else folder / "export", format)
    Console().print(f"exported: {written}", soft_wrap=True)
    return written
