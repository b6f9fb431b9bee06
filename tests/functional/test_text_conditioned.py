"""Text-conditioned cosines against loops, closed forms, and their invariances."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from concord.functional.text_conditioned import conditioned_cosines

HEADS, WIDTH = 2, 3


def parts(images: int, tokens: int, texts: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Keys, values, queries, unit texts and the linear map."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    heads, wide = (HEADS, WIDTH), HEADS * WIDTH
    return (
        draw(images, tokens, *heads),
        draw(images, tokens, *heads),
        draw(texts, *heads),
        F.normalize(draw(texts, wide), dim=1),
        draw(wide, wide),
    )


def loop(keys: Tensor, values: Tensor, queries: Tensor, texts: Tensor, output: Tensor, temperature: float) -> Tensor:
    """The definition, one pair and one head at a time."""
    scores = keys.new_zeros(len(keys), len(texts))
    for i in range(len(keys)):
        for j in range(len(texts)):
            heads = []
            for head in range(HEADS):
                weights = [math.exp(float(key[head] @ queries[j, head]) / (temperature * math.sqrt(WIDTH))) for key in keys[i]]
                heads.append(sum(weight / sum(weights) * value[head] for weight, value in zip(weights, values[i], strict=True)))
            image = output @ torch.cat(heads)
            scores[i, j] = image @ texts[j] / image.norm()
    return scores


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 5),
    k=st.integers(1, 4),
    m=st.integers(1, 5),
    chunk=st.integers(1, 6),
    temperature=st.floats(0.2, 5),
    seed=st.integers(0, 99),
)
def test_matches_loops(n: int, k: int, m: int, chunk: int, temperature: float, seed: int) -> None:
    given_parts = parts(n, k, m, seed)
    torch.testing.assert_close(
        conditioned_cosines(*given_parts, temperature, chunk), loop(*given_parts, temperature), rtol=1e-10, atol=1e-12
    )


def test_gradients_do_not_depend_on_chunks_and_are_numerically_right() -> None:
    inputs = tuple(part.requires_grad_() for part in parts(3, 2, 4))
    assert torch.autograd.gradcheck(lambda *given_parts: conditioned_cosines(*given_parts, 0.7, 2), inputs)
    whole, chunked = (torch.autograd.grad(conditioned_cosines(*inputs, 0.7, chunk).square().sum(), inputs) for chunk in (3, 1))
    torch.testing.assert_close(whole, chunked, rtol=1e-12, atol=1e-14)


def test_one_token_is_a_cosine_whatever_the_text_asks() -> None:
    keys, values, queries, texts, output = parts(4, 1, 5)
    images = F.normalize(values[:, 0].flatten(1) @ output.T, dim=1)
    torch.testing.assert_close(conditioned_cosines(keys, values, 9 * queries, texts, output, 0.5, 2), images @ texts.T)


def test_the_order_of_tokens_and_more_of_the_same_change_nothing() -> None:
    keys, values, queries, texts, output = parts(4, 3, 5)
    scores = conditioned_cosines(keys, values, queries, texts, output, 1.0, 4)
    for order in ([2, 0, 1], [0, 1, 2, 0, 1, 2]):
        torch.testing.assert_close(conditioned_cosines(keys[:, order], values[:, order], queries, texts, output, 1.0, 4), scores)


def test_low_temperature_takes_the_best_token_and_high_takes_all() -> None:
    keys, values, queries, texts, output = parts(2, 3, 2)
    even = F.normalize(values.mean(dim=1).flatten(1) @ output.T, dim=1) @ texts.T
    torch.testing.assert_close(conditioned_cosines(keys, values, queries, texts, output, 1e9, 2), even)
    for i in range(2):
        for j in range(2):
            best = [values[i, int((keys[i, :, head] @ queries[j, head]).argmax()), head] for head in range(HEADS)]
            expected = F.normalize(output @ torch.cat(best), dim=0) @ texts[j]
            found = conditioned_cosines(keys[i : i + 1], values[i : i + 1], queries[j : j + 1], texts[j : j + 1], output, 1e-6, 1)
            torch.testing.assert_close(found[0, 0], expected)


def test_chunk_must_be_positive() -> None:
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        conditioned_cosines(*parts(1, 1, 1), 1.0, 0)
