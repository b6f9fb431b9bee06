"""A function of the rows of a batch, a few pairs at a time, and once more in the backward pass.

This is GradCache (Gao et al. 2021) within one graph: of each piece only the answer is kept; when its gradient comes, the piece
runs again under the random state that it had, gives its share of the gradient and is forgotten. The loss sees all answers at
once, so negatives are those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from concord.errors import IncompatibleError
from concord.types import Embeddings, Features, Tokens, tensors_in

Rows = Tensor | Tokens | Features | Embeddings
"""What has one row per pair along its first axis, or V of them that are neighbours."""

R = TypeVar("R", bound=Rows | tuple[Tensor, ...])


def in_pieces(function: Callable[..., R], inputs: Sequence[Rows], pairs: int, size: int | None) -> R:
    """`function(*inputs)`, computed on `size` pairs at a time.

    Args:
        function: each row of its answer must depend on the rows of one pair only, and it may not communicate. Noise that must
            not depend on the size of the pieces is drawn before, and is an input.
        inputs: of B pairs; an input of B * V rows is cut between pairs.
        pairs: B.
        size: at least 1; None, or as many as there are pairs, calls the function once and keeps what its backward pass needs.
    """
    if size is None or size >= pairs:
        return function(*inputs)
    answers = []
    for start in range(0, pairs, size):
        part = [_cut(rows, start, min(start + size, pairs), pairs) for rows in inputs]
        # Handed over as plain tensors: `checkpoint` keeps the random state of the devices that it finds among its arguments.
        run = partial(_call, function, part)
        answers.append(checkpoint(run, *tensors_in(part), use_reentrant=False, preserve_rng_state=True))
    return _join(answers)


def check_pieces(model: nn.Module) -> None:
    """Refuse a model that says something else of a part of the batch than of the whole.

    Raises:
        IncompatibleError: naming the layer and the way out.
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.training:
            raise IncompatibleError(
                f"compute.micro_batch: model.{name} is a batch normalisation, and the statistics of a piece are not those of the batch; "
                "set compute.micro_batch=null, or choose a tower without it (vit_*, convnext_*)"
            )


def _call(function: Callable[..., R], like: Sequence[Rows], *tensors: Tensor) -> R:
    """The function on inputs that hold these tensors."""
    rest = iter(tensors)
    return function(*(next(rest) if isinstance(rows, Tensor) else rows.with_tensors(rest) for rows in like))


def _cut(rows: Any, start: int, stop: int, pairs: int) -> Any:
    """The rows of some pairs."""
    if not isinstance(rows, Tensor):
        return rows.with_tensors(_cut(tensor, start, stop, pairs) for tensor in rows.tensors())
    views, rest = divmod(len(rows), pairs)
    if rest:
        raise ValueError(f"inputs must have a multiple of {pairs} rows, got {len(rows)}")
    return rows[start * views : stop * views]


def _join(answers: Sequence[Any]) -> Any:
    first = answers[0]
    if isinstance(first, Tensor):
        return torch.cat(list(answers))
    if isinstance(first, tuple):
        return tuple(_join(column) for column in zip(*answers, strict=True))
    return first.with_tensors(_join(column) for column in zip(*(answer.tensors() for answer in answers), strict=True))
