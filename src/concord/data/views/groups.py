"""What of a batch belongs together, as numbers: captions that say the same, and pictures of one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from concord.data.filters.limits import normalise
from concord.data.source import number_for
from concord.types import Pair

STUDY = "study"
"""The group of pictures that one report is about; no text view may have this name."""


def groups_of(pair: Pair, texts: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """The numbers of a pair: of its study, and of each of the V texts of its views.

    Texts have one number where they are equal but for capitals, punctuation and spaces. The study is `study_id` of the metadata in
    this source, or else the example by itself. Numbers have 63 bits and are the same on every machine.
    """
    study = pair.metadata.get("study_id")
    own = f"key {pair.key}" if study is None else f"study {study}"
    numbers = {view: [_number(normalise(text)) for text in drawn] for view, drawn in texts.items()}
    return {STUDY: [_number(f"{pair.source}/{own}")], **numbers}


def collate_groups(rows: Sequence[Sequence[int]]) -> Tensor:
    """int64 [B], or [B, V] where V is above one."""
    numbers = torch.tensor(rows, dtype=torch.int64)
    return numbers[:, 0] if len(rows[0]) == 1 else numbers


def _number(text: str) -> int:
    return number_for(text) >> 1
