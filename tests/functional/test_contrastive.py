"""InfoNCE against published numbers, closed forms, an oracle and OpenCLIP."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.functional.contrastive import accuracy, info_nce, weighted

S = torch.tensor([[0.9, 0.1, 0.2], [0.0, 0.8, 0.3], [0.4, 0.2, 0.7]], dtype=torch.float64)
EXTRA = torch.tensor([[0.5, 0.1, 0.0], [0.2, 0.6, 0.1], [0.0, 0.3, 0.4]], dtype=torch.float64)
DIAGONAL = torch.arange(3)


def oracle(logits: list[list[float]], targets: list[int], smoothing: float) -> float:
    """Mean over rows of the cross entropy with the smoothed target, in Python floats."""
    total = 0.0
    for row, target in zip(logits, targets, strict=True):
        normaliser = math.log(sum(math.exp(x - max(row)) for x in row)) + max(row)
        for column, x in enumerate(row):
            share = (1 - smoothing) * (column == target) + smoothing / len(row)
            total += share * (normaliser - x)
    return total / len(logits)


def loss_of(*arguments: Any) -> Tensor:
    """The loss as it is optimised."""
    return info_nce(*arguments).mean()


@pytest.mark.parametrize(
    ("logits", "smoothing", "expected"),
    [
        (10 * S, 0.0, 0.02109344),
        (10 * S.T, 0.0, 0.01165590),
        (10 * S, 0.1, 0.42109344),
        (10 * S.T, 0.1, 0.41165590),
        (10 * torch.cat([S, EXTRA], dim=1), 0.0, 0.09139637),
    ],
)
def test_known_values(logits: Tensor, smoothing: float, expected: float) -> None:
    assert loss_of(logits, DIAGONAL, smoothing).item() == pytest.approx(expected, abs=1e-8)


def test_both_directions() -> None:
    image_to_text, text_to_image = loss_of(10 * S, DIAGONAL), loss_of(10 * S.T, DIAGONAL)
    assert weighted(image_to_text, text_to_image, 0.5).item() == pytest.approx(0.01637467, abs=1e-8)
    assert weighted(image_to_text, text_to_image, 0.75).item() == pytest.approx(0.01873406, abs=1e-8)


def test_gradient_of_the_scale() -> None:
    log_scale = torch.tensor(10.0, dtype=torch.float64).log().requires_grad_()
    logits = log_scale.exp() * S
    weighted(loss_of(logits, DIAGONAL), loss_of(logits.T, DIAGONAL), 0.5).backward()
    assert log_scale.grad is not None
    assert log_scale.grad.item() == pytest.approx(-0.06308607, abs=1e-8)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_matches_plain_python_on_local_rows(smoothing: float) -> None:
    logits = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5
    targets = torch.tensor([4, 5, 6])
    assert loss_of(logits, targets, smoothing).item() == pytest.approx(oracle(logits.tolist(), [4, 5, 6], smoothing), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_hidden_columns_are_as_if_absent(smoothing: float) -> None:
    logits = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    valid = torch.tensor([True, True, True, False, True, False])
    hidden = loss_of(logits, DIAGONAL, smoothing, valid)
    absent = loss_of(logits[:, valid], DIAGONAL, smoothing)
    torch.testing.assert_close(hidden, absent, rtol=1e-12, atol=0)
    (from_hidden,) = torch.autograd.grad(hidden, logits)
    (from_absent,) = torch.autograd.grad(absent, logits)
    torch.testing.assert_close(from_hidden, from_absent, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 0.743668), (10.0, 1.36190e-4)])
def test_orthonormal_pairs(scale: float, expected: float) -> None:
    loss = loss_of(scale * torch.eye(4, dtype=torch.float64), torch.arange(4))
    assert loss.item() == pytest.approx(math.log(1 + 3 * math.exp(-scale)), rel=1e-12)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equal_logits_give_the_log_of_the_columns(smoothing: float) -> None:
    assert loss_of(torch.full((3, 7), 42.0), DIAGONAL, smoothing).item() == pytest.approx(math.log(7), rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_equals_openclip(scale: float) -> None:
    loss = pytest.importorskip("open_clip.loss").ClipLoss()
    generator = torch.Generator().manual_seed(2)
    images, texts = (F.normalize(torch.randn(9, 5, generator=generator, dtype=torch.float64), dim=1).requires_grad_() for _ in range(2))
    factor = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
    logits, targets = factor * images @ texts.T, torch.arange(9)
    ours = weighted(loss_of(logits, targets), loss_of(logits.T, targets), 0.5)
    theirs = loss(images, texts, factor)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=0)
    inputs = (images, texts, factor)
    torch.testing.assert_close(torch.autograd.grad(ours, inputs), torch.autograd.grad(theirs, inputs), rtol=1e-9, atol=1e-12)


def test_half_precision_logits_are_raised() -> None:
    logits = torch.randn(4, 6, generator=torch.Generator().manual_seed(3)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(logits, torch.arange(4), 0.1, torch.tensor([True] * 5 + [False]))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(loss_of(logits.float(), torch.arange(4), 0.1, torch.tensor([True] * 5 + [False])).item(), rel=1e-6)


def test_accuracy_counts_clear_wins_only() -> None:
    logits = torch.tensor([[1.0, 0.5, 0.0], [2.0, 1.0, 0.0], [0.0, 3.0, 3.0]])
    assert accuracy(logits, DIAGONAL).item() == pytest.approx(1 / 3)
    assert accuracy(torch.ones(3, 3), DIAGONAL).item() == 0


def test_each_row_has_a_loss_of_its_own() -> None:
    rows = info_nce(10 * S, DIAGONAL, 0.1)
    assert rows.shape == (3,)
    for index, row in enumerate((10 * S).tolist()):
        assert rows[index].item() == pytest.approx(oracle([row], [index], 0.1), rel=1e-12)
