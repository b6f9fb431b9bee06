"""Which pairs of a batch a contrastive objective does not hold against one another.

Dimensions: b pairs on this rank, N pairs on all ranks, G relations that matter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from concord.functional.kin import Kin, Treatment, checked_treatment
from concord.objectives.base import Step
from concord.objectives.groups import Block


class Kinship:
    """What pairs are to one another whose texts say the same, and pairs of one study.

    Many reports of normal studies are equal, and several pictures share a report: such pairs are false negatives of one another.

    Args:
        same_text: of pairs whose texts are equal but for capitals, punctuation and spaces.
        same_study: of pairs of one study, see `Batch.groups`. Who is kin in both ways is a positive if one of them says so.
    """

    def __init__(self, same_text: Treatment = "negatives", same_study: Treatment = "negatives") -> None:
        treatments = {"text": checked_treatment("same_text", same_text), "study": checked_treatment("same_study", same_study)}
        self.relations = {name: treatment for name, treatment in treatments.items() if treatment != "negatives"}

    def of(self, step: Step, text_view: str, block: Block | None = None) -> Kin | None:
        """Of this rank's pairs among those of all ranks, or of a block of them; None where all are negatives of one another."""
        if not self.relations:
            return None
        groups = step.batch.groups
        numbers = torch.stack([groups[text_view if name == "text" else name] for name in self.relations], dim=1)
        rows, ranks = (slice(None), step.ranks) if block is None else block
        numbers = numbers[rows]
        return Kin(numbers, ranks.gather(numbers), tuple(self.relations.values()))


def share_with_kin(kin: Kin) -> Tensor:
    """Share of the rows that have kin among the columns of all ranks beside themselves, scalar."""
    has_kin = torch.zeros(len(kin.rows), dtype=torch.bool, device=kin.rows.device)
    for place in range(kin.rows.shape[1]):
        rows, columns = kin.rows[:, place].contiguous(), kin.columns[:, place].sort().values
        has_kin |= torch.searchsorted(columns, rows, right=True) - torch.searchsorted(columns, rows) > 1
    return has_kin.float().mean()
