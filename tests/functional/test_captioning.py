"""Next-token cross entropy against plain Python, closed forms and the two ways in which padding could leak in."""

from __future__ import annotations

import math

import pytest
import torch

from concord.functional.captioning import IGNORED, correct_tokens, next_token_cross_entropy, next_tokens

IDS = torch.tensor([[1, 4, 0, 2, 0, 0], [1, 3, 3, 5, 4, 2]])
MASK = torch.tensor([[True, True, True, True, False, False], [True] * 6])


def oracle(logits: list, ids: list, mask: list) -> float:
    """Token by token, in Python floats."""
    total = 0.0
    for rows, words, real in zip(logits, ids, mask, strict=True):
        for t in range(len(words) - 1):
            if real[t + 1]:
                total += math.log(sum(math.exp(x) for x in rows[t])) - rows[t][words[t + 1]]
    return total


def test_targets_are_the_next_real_tokens() -> None:
    expected = [[4, 0, 2, IGNORED, IGNORED, IGNORED], [3, 3, 5, 4, 2, IGNORED]]
    assert next_tokens(IDS, MASK).tolist() == expected


def test_an_id_equal_to_the_padding_is_a_target_where_the_mask_says_so() -> None:
    assert next_tokens(IDS, MASK)[0, 1] == 0
    assert next_tokens(IDS, MASK)[0, 3] == IGNORED


def test_value_and_gradient_match_plain_python() -> None:
    logits = torch.randn(2, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = next_token_cross_entropy(logits, next_tokens(IDS, MASK)).sum()
    loss.backward()
    assert loss.item() == pytest.approx(oracle(logits.tolist(), IDS.tolist(), MASK.tolist()), rel=1e-12)
    assert logits.grad is not None
    for index in [(0, 1, 0), (0, 4, 3), (1, 4, 2), (1, 5, 0)]:
        up, down = logits.detach().clone(), logits.detach().clone()
        up[index] += 1e-5
        down[index] -= 1e-5
        sides = [oracle(x.tolist(), IDS.tolist(), MASK.tolist()) for x in (up, down)]
        assert logits.grad[index].item() == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-9)


def test_uniform_logits_cost_ln_v_per_token() -> None:
    targets = next_tokens(IDS, MASK)
    loss = next_token_cross_entropy(torch.zeros(2, 6, 11, dtype=torch.float64), targets)
    lengths = (targets != IGNORED).sum(dim=1)
    assert lengths.sum() == 8
    torch.testing.assert_close(loss / lengths, torch.full((2,), math.log(11), dtype=torch.float64), rtol=1e-14, atol=0)


def test_padding_changes_nothing() -> None:
    logits = torch.randn(2, 6, 7, generator=torch.Generator().manual_seed(1))
    other_ids, other_logits = IDS.clone(), logits.clone()
    other_ids[0, 4:] = 6
    other_logits[0, 3:] = 1e4
    expected = next_token_cross_entropy(logits, next_tokens(IDS, MASK))
    assert next_token_cross_entropy(other_logits, next_tokens(other_ids, MASK)).tolist() == expected.tolist()


def test_correct_tokens_counts_targets_only() -> None:
    targets = next_tokens(IDS, MASK)
    perfect = torch.nn.functional.one_hot(targets.clamp(min=0), 7).float()
    assert correct_tokens(perfect, targets).sum() == 8
    assert correct_tokens(-perfect, targets).sum() == 0


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits = torch.randn(2, 6, 7).bfloat16()
    targets = next_tokens(IDS, MASK)
    loss = next_token_cross_entropy(logits, targets)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, next_token_cross_entropy(logits.float(), targets))
