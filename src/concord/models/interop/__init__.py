"""Models of other libraries: read into our dual encoder, and written from it.

A reader takes what `concord.load` was given and says None where it is not of its library. An export writes a scorer's model,
tokenizer and preprocessing into a folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from concord.models.interop import hugging_face, hugging_face_export, onnx, open_clip, open_clip_export, openai
from concord.models.interop.contents import Contents
from concord.models.scorer import Scorer

READERS: list[Callable[[str], Contents | None]] = [open_clip.read, hugging_face.read, openai.read]
EXPORTS: dict[str, Callable[[Scorer, Path], None]] = {
    "hugging_face": hugging_face_export.export,
    "onnx": onnx.export,
    "open_clip": open_clip_export.export,
}


def read_foreign(source: str | Path) -> Contents | None:
    """What a model of another library says; None for what no reader knows.

    Raises:
        CheckpointError: for a model of theirs that cannot be read.
        MissingExtraError: where the other library is needed and not installed.
    """
    found = (reader(str(source)) for reader in READERS)
    return next((contents for contents in found if contents is not None), None)
