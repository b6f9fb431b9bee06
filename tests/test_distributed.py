"""The collectives, on one process and on three."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from concord.distributed import Ranks
from tests.processes import run_on_ranks


def collectives() -> dict[str, Tensor]:
    """Each collective of this rank, whose tensors are filled with rank + 1."""
    ranks = Ranks.current()
    local = torch.full((2, ranks.rank + 1), float(ranks.rank + 1), requires_grad=True)
    gathered = ranks.gather_padded(local, value=-1.0)
    weights = torch.arange(gathered.numel()).view_as(gathered) * (ranks.rank + 1.0)
    (gradient,) = torch.autograd.grad((weights * gathered).sum(), local)
    row = torch.tensor([ranks.rank + 1.0], requires_grad=True)
    shifted = ranks.shift(row)
    (returned,) = torch.autograd.grad(shifted * 10 ** (ranks.rank + 1), row)
    return {
        "gathered": gathered.detach(),
        "gradient": gradient,
        "mask": ranks.gather_padded(torch.ones(1, ranks.rank + 1, dtype=torch.bool), value=0.0),
        "shifted": shifted.detach(),
        "returned": returned,
        "sum": ranks.sum(row),
        "mean": ranks.mean(row),
        "max": ranks.max(row),
        "offset": torch.tensor(ranks.offset(4)),
    }


def test_collectives(tmp_path: Path) -> None:
    for rank, result in enumerate(run_on_ranks(collectives, 3, tmp_path)):
        expected = torch.tensor([[1, -1, -1]] * 2 + [[2, 2, -1]] * 2 + [[3, 3, 3]] * 2, dtype=torch.float32)
        torch.testing.assert_close(result["gathered"], expected)
        every = 6 * torch.arange(18.0).view(6, 3)  # weights of the three ranks: 1 + 2 + 3
        torch.testing.assert_close(result["gradient"], every[2 * rank : 2 * rank + 2, : rank + 1])
        torch.testing.assert_close(result["mask"], torch.ones(3, 3).tril().bool())
        assert result["shifted"].item() == (rank - 1) % 3 + 1
        assert result["returned"].item() == 10 ** ((rank + 1) % 3 + 1)
        assert [result[name].item() for name in ("sum", "mean", "max", "offset")] == [6, 2, 3, 4 * rank]


def test_one_process_communicates_nothing() -> None:
    ranks, tensor = Ranks.current(), torch.ones(2, 3, requires_grad=True)
    assert ranks == Ranks(0, 1)
    assert ranks.gather(tensor) is ranks.gather_padded(tensor) is ranks.shift(tensor) is tensor
    assert ranks.sum(tensor).equal(tensor)
    assert ranks.max(tensor).equal(tensor)
    assert ranks.offset(5) == 0


def among_two() -> dict[str, Tensor]:
    """The collectives of this rank with its one neighbour, whose tensors are filled with their ranks among all."""
    everyone = Ranks.current()
    ranks = everyone.among(2)
    row = torch.tensor([float(everyone.rank)], requires_grad=True)
    gathered, shifted = ranks.gather(row), ranks.shift(row)
    (gradient,) = torch.autograd.grad((gathered * torch.tensor([10.0, 100.0])).sum() * 2 ** (everyone.rank % 2) + shifted.sum(), row)
    own = torch.tensor([float(everyone.rank)])
    with ranks.as_on_first([own]):
        first = own.clone()
    again = everyone.among(2)
    return {
        "place": torch.tensor([ranks.rank, ranks.world]),
        "gathered": gathered.detach(),
        "shifted": shifted.detach(),
        "gradient": gradient,
        "sum": ranks.sum(row),
        "first": first,
        "objects": torch.tensor(ranks.gather_objects(everyone.rank)),
        "same": torch.tensor(again.group is ranks.group and everyone.among(4) is everyone and everyone.among(1) == Ranks()),
    }


def test_neighbours_talk_to_one_another_alone(tmp_path: Path) -> None:
    for rank, result in enumerate(run_on_ranks(among_two, 4, tmp_path)):
        pair = [rank // 2 * 2, rank // 2 * 2 + 1]
        assert result["place"].tolist() == [rank % 2, 2]
        assert result["gathered"].tolist() == result["objects"].tolist() == pair
        assert result["shifted"].item() == pair[1 - rank % 2]
        assert result["gradient"].item() == (10 if rank % 2 == 0 else 100) * 3 + 1
        assert result["sum"].item() == sum(pair)
        assert result["first"].item() == pair[0]
        assert result["same"]
