"""Token-wise scores against the published example, loops, and their invariances."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from concord.functional.late_interaction import token_scores

PATCHES = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.8, 0.6]]])
WORDS = torch.tensor([[[1.0, 0.0], [0.6, 0.8]], [[0.0, 1.0], [9.0, 9.0]]])
WORD_MASK = torch.tensor([[True, True], [True, False]])


def tokens(count: int, length: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(count, length, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1)


def masks(count: int, length: int, seed: int) -> Tensor:
    """At least one valid token each, at any place."""
    mask = torch.rand(count, length, generator=torch.Generator().manual_seed(seed)) < 0.6
    mask[:, 0] |= ~mask.any(dim=1)
    return mask


def loop(queries: Tensor, query_mask: Tensor, keys: Tensor, key_mask: Tensor) -> Tensor:
    """The definition, one token at a time."""
    scores = queries.new_zeros(len(queries), len(keys))
    for i, query in enumerate(queries):
        for j, key in enumerate(keys):
            best = [max(float(q @ k) for k, valid in zip(key, key_mask[j], strict=True) if valid) for q in query[query_mask[i]]]
            scores[i, j] = sum(best) / len(best)
    return scores


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_published_example(chunk: int) -> None:
    image_to_text = token_scores(PATCHES, None, WORDS, WORD_MASK, chunk)
    text_to_image = token_scores(WORDS, WORD_MASK, PATCHES, None, chunk)
    torch.testing.assert_close(image_to_text, torch.tensor([[0.9, 0.5], [0.98, 0.7]]))
    torch.testing.assert_close(text_to_image.T, torch.tensor([[0.9, 1.0], [0.9, 0.8]]))


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 5), m=st.integers(1, 5), p=st.integers(1, 4), t=st.integers(1, 4), chunk=st.integers(1, 6), seed=st.integers(0, 99))
def test_matches_loops(n: int, m: int, p: int, t: int, chunk: int, seed: int) -> None:
    arguments = tokens(n, p, seed), masks(n, p, seed), tokens(m, t, seed + 1), masks(m, t, seed + 1)
    torch.testing.assert_close(token_scores(*arguments, chunk), loop(*arguments), rtol=1e-12, atol=1e-12)


def test_gradients_do_not_depend_on_chunks_and_are_numerically_right() -> None:
    queries, keys = tokens(3, 2, 0).requires_grad_(), tokens(4, 3, 1).requires_grad_()
    query_mask, key_mask = masks(3, 2, 2), masks(4, 3, 3)
    assert torch.autograd.gradcheck(lambda q, k: token_scores(q, query_mask, k, key_mask, 2), (queries, keys))


def test_padding_and_order_of_tokens_do_not_matter() -> None:
    queries, keys = tokens(3, 4, 4), tokens(2, 5, 5)
    mask = torch.ones(2, 5, dtype=torch.bool)
    plain = token_scores(queries, None, keys, mask, 2)
    padded = token_scores(queries, None, F.pad(keys, (0, 0, 0, 3), value=7.0), F.pad(mask, (0, 3)), 2)
    shuffled = token_scores(queries[:, [2, 0, 3, 1]], None, keys[:, [4, 2, 0, 1, 3]], mask, 2)
    torch.testing.assert_close(padded, plain, rtol=0, atol=1e-12)
    torch.testing.assert_close(shuffled, plain, rtol=0, atol=1e-12)
    query_mask = F.pad(torch.ones(3, 4), (0, 1)).bool()
    torch.testing.assert_close(token_scores(F.pad(queries, (0, 0, 0, 1), value=7.0), query_mask, keys, None, 2), plain)


def test_one_token_each_is_a_cosine() -> None:
    queries, keys = tokens(3, 1, 6), tokens(4, 1, 7)
    torch.testing.assert_close(token_scores(queries, None, keys, None, 2), queries[:, 0] @ keys[:, 0].T)


def test_rows_without_valid_tokens() -> None:
    queries, keys = tokens(2, 3, 8).requires_grad_(), tokens(2, 3, 9).requires_grad_()
    none, every = torch.tensor([[False] * 3, [True] * 3]), torch.ones(2, 3, dtype=torch.bool)
    empty_query = token_scores(queries, none, keys, every, 1)
    empty_key = token_scores(queries, every, keys, none, 1)
    assert empty_query[0].tolist() == [0.0, 0.0]
    assert empty_key[:, 0].tolist() == [float("-inf")] * 2
    gradients = torch.autograd.grad(empty_query.sum() + empty_key.softmax(dim=1)[:, 1].sum(), (queries, keys))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_half_precision_is_raised() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert token_scores(PATCHES.bfloat16(), None, WORDS.bfloat16(), WORD_MASK, 1).dtype == torch.float32


def test_refuses_an_empty_chunk() -> None:
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        token_scores(PATCHES, None, WORDS, None, 0)
