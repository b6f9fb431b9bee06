"""Pairs that are no negatives of one another: InfoNCE and pairwise sigmoids against sums over the cells in Python's floats, whole
and tile by tile, in value and gradient."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from concord.functional.contrastive import accuracy, info_nce, weighted
from concord.functional.kin import Kin, Treatment
from concord.functional.sigmoid import pairwise_sigmoid, tiled_pairwise_sigmoid
from concord.functional.tiled import tiled_bidirectional_info_nce, tiled_info_nce

TREATMENTS: list[tuple[Treatment, ...]] = [("positives",), ("masked",), ("positives", "masked"), ("masked", "positives")]
CASES: dict[str, st.SearchStrategy[Any]] = {
    "tile": st.integers(1, 9),
    "kinds": st.integers(1, 5),
    "treatments": st.sampled_from(TREATMENTS),
}
SHARES: dict[str, st.SearchStrategy[Any]] = {"local": st.integers(1, 6), "ranks": st.integers(1, 3), "rank": st.integers(0, 2)}
SMOOTHING = st.sampled_from([0.0, 0.1])


def unit(count: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return F.normalize(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=1).requires_grad_()


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def kin_of(columns: int, rows: slice, kinds: int, treatments: tuple[Treatment, ...], seed: int = 3) -> Kin:
    """Of some of the columns; they have one of so many numbers in each relation."""
    numbers = torch.randint(kinds, (columns, len(treatments)), generator=torch.Generator().manual_seed(seed))
    return Kin(numbers[rows], numbers, treatments)


def relation(kin: Kin, row: int, column: int, match: int) -> str:
    """What a column is to a row, decided cell by cell."""
    if column == match:
        return "match"
    equal = [t for place, t in enumerate(kin.treatments) if kin.rows[row, place] == kin.columns[column, place]]
    return "positives" if "positives" in equal else "masked" if equal else "negatives"


def info_nce_oracle(logits: Tensor, kin: Kin, offset: int, smoothing: float) -> Tensor:
    """Cross entropy with the target written out, term by term; [b]."""
    losses = []
    for row, line in enumerate(logits):
        what = [relation(kin, row, column, offset + row) for column in range(len(line))]
        right = [column for column, how in enumerate(what) if how in ("match", "positives")]
        seen = [column for column, how in enumerate(what) if how != "masked"]
        normaliser = torch.log(torch.stack([torch.exp(line[column]) for column in seen]).sum())
        target = {c: smoothing / len(seen) + ((1 - smoothing) / len(right) if c in right else 0.0) for c in seen}
        assert sum(target.values()) == pytest.approx(1)
        losses.append(torch.stack([target[c] * (normaliser - line[c]) for c in seen]).sum())
    return torch.stack(losses)


def sigmoid_oracle(logits: Tensor, kin: Kin, offset: int) -> Tensor:
    rows = []
    for row, line in enumerate(logits):
        what = [relation(kin, row, column, offset + row) for column in range(len(line))]
        signs = [0 if how == "masked" else -1 if how == "negatives" else 1 for how in what]
        rows.append(torch.stack([torch.log1p(torch.exp(-sign * x)) for sign, x in zip(signs, line, strict=True) if sign]).sum())
    return torch.stack(rows)


def assert_same(ours: Tensor, oracle: Tensor, inputs: tuple[Tensor, ...]) -> None:
    """Values agree, and gradients of a sum with unequal weights."""
    weights = torch.linspace(1, 2, len(ours), dtype=ours.dtype)
    gradients = [torch.autograd.grad(losses, inputs, weights, retain_graph=True) for losses in (ours, oracle)]
    for one, other in [(ours, oracle), *zip(*gradients, strict=True)]:
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@settings(deadline=None, max_examples=40)
@given(**CASES, **SHARES, smoothing=SMOOTHING)
def test_info_nce(local: int, ranks: int, rank: int, tile: int, kinds: int, treatments: Any, smoothing: float) -> None:
    offset = (rank % ranks) * local
    kin = kin_of(local * ranks, slice(offset, offset + local), kinds, treatments)
    inputs = unit(local, 0), unit(local * ranks, 1), scalar(8.0)
    logits = inputs[2] * inputs[0] @ inputs[1].T
    oracle = info_nce_oracle(logits, kin, offset, smoothing)
    positives, masked = kin.table(offset)
    targets = offset + torch.arange(local)
    assert_same(info_nce(logits, targets, smoothing, ~masked, positives), oracle, inputs)
    tiled, correct = tiled_info_nce(*inputs, offset, tile, smoothing, kin)
    assert_same(tiled, oracle, inputs)
    assert correct == accuracy(logits, targets, positives | masked)


@settings(deadline=None, max_examples=40)
@given(**CASES, pairs=st.integers(1, 12), smoothing=SMOOTHING)
def test_both_directions_of_info_nce(pairs: int, tile: int, kinds: int, treatments: Any, smoothing: float) -> None:
    kin = kin_of(pairs, slice(None), kinds, treatments)
    inputs = unit(pairs, 0), unit(pairs, 1), scalar(8.0)
    logits = inputs[2] * inputs[0] @ inputs[1].T
    oracle = weighted(info_nce_oracle(logits, kin, 0, smoothing), info_nce_oracle(logits.T, kin, 0, smoothing), 0.75)
    losses, image_accuracy, text_accuracy = tiled_bidirectional_info_nce(*inputs, tile, smoothing, 0.75, kin)
    assert_same(losses, oracle, inputs)
    hidden = torch.stack(kin.table(0)).any(dim=0)
    targets = torch.arange(len(logits))
    assert (image_accuracy, text_accuracy) == (accuracy(logits, targets, hidden), accuracy(logits.T, targets, hidden))


@settings(deadline=None, max_examples=40)
@given(**CASES, **SHARES)
def test_sigmoids(local: int, ranks: int, rank: int, tile: int, kinds: int, treatments: Any) -> None:
    offset = (rank % ranks) * local
    kin = kin_of(local * ranks, slice(offset, offset + local), kinds, treatments)
    inputs = unit(local, 0), unit(local * ranks, 1), scalar(8.0), scalar(-2.0)
    logits = inputs[2] * inputs[0] @ inputs[1].T + inputs[3]
    oracle = sigmoid_oracle(logits, kin, offset)
    assert_same(pairwise_sigmoid(logits, offset, kin), oracle, inputs)
    assert_same(tiled_pairwise_sigmoid(*inputs, tile, offset, kin), oracle, inputs)


def test_sigmoids_of_strangers_have_kin_too() -> None:
    kin = kin_of(6, slice(None), 2, ("positives", "masked"))
    logits = (8 * unit(6, 0) @ unit(6, 1).T).detach()
    parts = [Kin(kin.rows[a], kin.columns[b], kin.treatments) for a in (slice(3), slice(3, 6)) for b in (slice(3), slice(3, 6))]
    blocks = [logits[a, b] for a in (slice(3), slice(3, 6)) for b in (slice(3), slice(3, 6))]
    offsets = [0, None, None, 0]
    upper, right, left, lower = (pairwise_sigmoid(*of) for of in zip(blocks, offsets, parts, strict=True))
    torch.testing.assert_close(torch.cat([upper + right, left + lower]), pairwise_sigmoid(logits, 0, kin), rtol=1e-12, atol=0)


@pytest.mark.parametrize("treatments", TREATMENTS)
def test_without_any_kin_the_losses_are_the_plain_ones_to_the_bit(treatments: tuple[Treatment, ...]) -> None:
    numbers = torch.arange(7)[:, None].expand(-1, len(treatments))
    kin = Kin(numbers, numbers, treatments)
    images, texts, scale, bias = unit(7, 0, torch.float32), unit(7, 1, torch.float32), torch.tensor(14.3), torch.tensor(-3.0)
    logits, targets = scale * images @ texts.T, torch.arange(7)
    positives, masked = kin.table(0)
    for with_kin, plain in (
        (info_nce(logits, targets, 0.0, ~masked, positives), info_nce(logits, targets)),
        (tiled_bidirectional_info_nce(images, texts, scale, 3, kin=kin)[0], tiled_bidirectional_info_nce(images, texts, scale, 3)[0]),
        (tiled_info_nce(images, texts, scale, 0, 3, kin=kin)[0], tiled_info_nce(images, texts, scale, 0, 3)[0]),
        (pairwise_sigmoid(logits, 0, kin), pairwise_sigmoid(logits)),
        (tiled_pairwise_sigmoid(images, texts, scale, bias, 3, 0, kin), tiled_pairwise_sigmoid(images, texts, scale, bias, 3)),
    ):
        assert torch.equal(with_kin, plain)
        gradients = [torch.autograd.grad(losses.sum(), (images, texts), retain_graph=True) for losses in (with_kin, plain)]
        torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("tile", [2, 9])
def test_a_batch_of_nothing_but_one_text(tile: int) -> None:
    """Masked there is nothing to choose from; as positives all are right, and the best that can be done is ln N."""
    numbers = torch.zeros(5, 1, dtype=torch.int64)
    inputs = unit(5, 0), unit(5, 1), scalar(8.0)
    losses = tiled_bidirectional_info_nce(*inputs, tile, kin=Kin(numbers, numbers, ("masked",)))[0]
    assert losses.tolist() == [0.0] * 5
    assert all(not gradient.any() for gradient in torch.autograd.grad(losses.sum(), inputs))
    same = unit(1, 2).expand(5, -1)
    even = tiled_bidirectional_info_nce(same, same, inputs[2], tile, kin=Kin(numbers, numbers, ("positives",)))
    assert even[0].tolist() == pytest.approx([math.log(5)] * 5, rel=1e-12)
    assert even[1] == even[2] == 1  # there is no column that could beat the match
    torch.testing.assert_close(torch.autograd.grad(even[0].sum(), inputs[2])[0], torch.tensor(0.0).double(), atol=1e-12, rtol=0)


def test_equal_captions_pull_apart_what_they_name_unless_told_otherwise() -> None:
    """Trap: reports of two normal studies are equal. As negatives the model is pushed away from what is right."""
    images, texts = unit(4, 0).detach(), unit(4, 1).detach()
    texts[1] = texts[0]
    numbers = torch.tensor([0, 0, 1, 2])[:, None]
    logits = (8 * images @ texts.T).requires_grad_()
    slopes = {}
    for treatment in ("positives", "masked"):
        positives, masked = Kin(numbers, numbers, (treatment,)).table(0)
        slopes[treatment] = torch.autograd.grad(info_nce(logits, torch.arange(4), 0.0, ~masked, positives).sum(), logits)[0]
    (slopes["negatives"],) = torch.autograd.grad(info_nce(logits, torch.arange(4)).sum(), logits)
    assert slopes["negatives"][0, 1] > 0
    assert slopes["masked"][0, 1] == 0
    assert slopes["positives"][0, 1] == slopes["positives"][0, 0]  # the two texts are one to the first image
    assert slopes["positives"][0, 1] < 0


def test_gradients_are_numerically_right() -> None:
    kin = kin_of(5, slice(None), 2, ("positives", "masked"))
    inputs = unit(5, 4), unit(5, 5), scalar(3.0)
    assert torch.autograd.gradcheck(lambda *args: tiled_bidirectional_info_nce(*args, 2, 0.1, 0.75, kin)[0], inputs)
    rows = Kin(kin.rows[2:], kin.columns, kin.treatments)
    assert torch.autograd.gradcheck(lambda images, texts, scale: tiled_info_nce(images[:3], texts, scale, 2, 2, 0.1, rows)[0], inputs)
    assert torch.autograd.gradcheck(lambda *args: tiled_pairwise_sigmoid(*args, 2, 0, kin), (*inputs, scalar(-1.0)))


def test_half_precision_logits_are_raised() -> None:
    kin = kin_of(6, slice(None), 3, ("positives", "masked"))
    images, texts = (unit(6, seed, torch.float32).detach().bfloat16() for seed in (6, 7))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = tiled_bidirectional_info_nce(images, texts, torch.tensor(100.0), 4, kin=kin)[0]
    exact = tiled_bidirectional_info_nce(images.float(), texts.float(), torch.tensor(100.0), 4, kin=kin)[0]
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, exact)
