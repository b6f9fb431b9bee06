"""Two texts that say the same against texts that do not: a question to the text tower alone (SugarCrepe++, Dumpala et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from concord.benchmarks.compositional.forms import Verdict, first_win
from concord.benchmarks.evaluation import Evaluation


def nearest_to_each_other(evaluation: Evaluation, groups: Sequence[Sequence[str]]) -> list[Verdict]:
    """By group of texts, whether the first two are closer to each other than either is to any of the others.

    Closeness is the cosine of the text vectors, whatever the model's similarity.
    """
    distinct = list(dict.fromkeys(text for group in groups for text in group))
    row_of = {text: row for row, text in enumerate(distinct)}
    vectors = F.normalize(evaluation.texts(distinct).vectors.double(), dim=-1)
    verdicts = []
    for group in groups:
        own = vectors[torch.tensor([row_of[text] for text in group])]
        cosines = own[:2] @ own.T  # [2, T]
        verdicts.append(first_win([float(cosines[0, 1]), *cosines[:, 2:].flatten().tolist()], 1))
    return verdicts


def nearest_by_chance(texts: int) -> float:
    """The probability that one of the cosines of a group is the largest, if all are drawn independently."""
    return 1 / (1 + 2 * (texts - 2))
