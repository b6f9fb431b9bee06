from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from concord.functional.collapse import mean_cosine, participation_ratio


@pytest.mark.parametrize("shape", [(7, 3), (5, 40)])
def test_against_all_pairs_and_eigenvalues(shape: tuple[int, int]) -> None:
    vectors = torch.randn(*shape, generator=torch.Generator().manual_seed(0)) + 0.5
    cosines = F.cosine_similarity(vectors[:, None].double(), vectors[None].double(), dim=-1)
    others = ~torch.eye(len(vectors), dtype=torch.bool)
    assert float(mean_cosine(vectors)) == pytest.approx(float(cosines[others].mean()), abs=1e-6)
    variances = torch.linalg.eigvalsh(torch.cov(vectors.double().T))
    assert float(participation_ratio(vectors)) == pytest.approx(float(variances.sum() ** 2 / variances.square().sum()), rel=1e-5)


def test_values_that_can_be_written_down() -> None:
    assert float(mean_cosine(torch.ones(4, 8))) == pytest.approx(1.0)
    assert float(mean_cosine(torch.eye(4))) == pytest.approx(0.0, abs=1e-6)
    assert float(mean_cosine(torch.tensor([[1.0, 0.0], [-3.0, 0.0]]))) == pytest.approx(-1.0)
    assert float(participation_ratio(torch.ones(4, 8))) == 1.0  # no variance
    assert float(participation_ratio(torch.arange(6.0)[:, None] * torch.ones(6, 3))) == pytest.approx(1.0)  # on a line
    assert float(participation_ratio(torch.eye(4))) == pytest.approx(3.0)  # a regular simplex
