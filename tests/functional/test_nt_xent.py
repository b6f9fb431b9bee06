"""NT-Xent against a plain-Python loop, closed forms and invariances."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from concord.functional.nt_xent import nt_xent


def unit(count: int, width: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1)


def oracle(a: list, b: list, temperature: float) -> float:
    """Mean over all 2N anchors of -log(exp(positive) / sum over everybody else), in Python floats."""
    everyone = a + b
    total = 0.0
    for i, anchor in enumerate(everyone):
        scores = [sum(x * y for x, y in zip(anchor, other, strict=True)) / temperature for other in everyone]
        positive = scores[(i + len(a)) % len(everyone)]
        total += math.log(sum(math.exp(s) for j, s in enumerate(scores) if j != i)) - positive
    return total / len(everyone)


def test_value_and_gradient_match_plain_python() -> None:
    a, b = unit(5, 3, 0).requires_grad_(), unit(5, 3, 1).requires_grad_()
    losses, _ = nt_xent(a, b, a, b, 0.2)
    losses.mean().backward()
    assert losses.mean().item() == pytest.approx(oracle(a.tolist(), b.tolist(), 0.2), rel=1e-12)
    for tensor, index in [(a, (0, 1)), (a, (4, 2)), (b, (2, 0))]:
        sides = []
        for change in (1e-5, -1e-5):
            moved = tensor.detach().clone()
            moved[index] += change
            sides.append(oracle(*((moved if x is tensor else x).tolist() for x in (a, b)), 0.2))
        assert tensor.grad is not None
        assert tensor.grad[index].item() == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-8)


@pytest.mark.parametrize("count", [2, 4, 9])
def test_collapse_costs_ln_2n_minus_1(count: int) -> None:
    same = torch.ones(count, 4, dtype=torch.float64) / 2
    losses, _ = nt_xent(same, same, same, same, 0.1)
    assert losses.tolist() == pytest.approx([math.log(2 * count - 1)] * count, rel=1e-12)


def test_two_orthogonal_pairs() -> None:
    pairs = torch.eye(2, dtype=torch.float64)
    losses, accuracy = nt_xent(pairs, pairs, pairs, pairs, 0.1)
    assert losses.tolist() == pytest.approx([9.0796e-5] * 2, rel=1e-4)
    assert losses.tolist() == pytest.approx([math.log1p(2 * math.exp(-10))] * 2, rel=1e-9)
    assert accuracy == 1


def test_views_may_change_places_and_pairs_may_be_shuffled() -> None:
    a, b = unit(6, 4, 2), unit(6, 4, 3)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    expected = nt_xent(a, b, a, b, 0.1)[0]
    torch.testing.assert_close(nt_xent(b, a, b, a, 0.1)[0], expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(nt_xent(a[order], b[order], a[order], b[order], 0.1)[0], expected[order], rtol=1e-12, atol=0)


def test_row_blocks_are_the_whole() -> None:
    a, b = unit(6, 4, 4), unit(6, 4, 5)
    whole, accuracy = nt_xent(a, b, a, b, 0.1)
    parts = [nt_xent(a[i : i + 2], b[i : i + 2], a, b, 0.1, offset=i) for i in (0, 2, 4)]
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), whole, rtol=1e-12, atol=0)
    assert sum(part[1].item() for part in parts) / 3 == pytest.approx(accuracy.item(), rel=1e-6)


def test_one_image_alone_costs_nothing() -> None:
    a = unit(1, 4, 6).requires_grad_()
    loss, accuracy = nt_xent(a, a, a, a, 0.1)
    loss.backward()
    assert loss.item() == 0
    assert accuracy == 1
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_autocast_computes_in_float32() -> None:
    a, b = unit(8, 16, 7).float(), unit(8, 16, 8).float()
    expected = nt_xent(a, b, a, b, 0.01)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nt_xent(a, b, a, b, 0.01)[0], expected)
    rounded = nt_xent(a.bfloat16(), b.bfloat16(), a.bfloat16(), b.bfloat16(), 0.01)[0]
    assert rounded.dtype == torch.float32
    assert torch.isfinite(rounded).all()
