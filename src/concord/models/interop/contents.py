"""What a checkpoint of any kind says, before a model is built from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from concord.images import Preprocess
from concord.models.interop.mapping import Rule
from concord.tokenizers import Tokenizer

FORMAT = 1
"""Of the descriptions that this version writes, and the newest that it reads."""


@dataclass(frozen=True)
class Contents:
    """Descriptions as plain values, and the dual encoder's weights by name.

    Attributes:
        description: format, model, tokenizer and preprocess, as `describe` makes it.
        weights: by our names, or by another library's where there are rules.
        rules: how their names become ours; None for ours.
    """

    description: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    rules: Sequence[Rule] | None = None


def describe(spec: Mapping[str, Any], tokenizer: Tokenizer, preprocess: Preprocess) -> dict[str, Any]:
    """What a training checkpoint keeps under the key "concord", as plain values.

    Args:
        spec: the model as `build_model` takes it.
        tokenizer, preprocess: those of the run.
    """
    return {"format": FORMAT, "model": dict(spec), "tokenizer": tokenizer.to_dict(), "preprocess": preprocess.to_dict()}
