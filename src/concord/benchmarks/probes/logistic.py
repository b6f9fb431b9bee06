"""Logistic regression by L-BFGS, the classifier of linear probes, by scikit-learn or by PyTorch on any device.

Both minimise what scikit-learn does: the sum of the log losses of all examples times C, plus half the squared length of the
weights; the biases are not held back. Two classes have one row of weights, the score of the second over the first.

Dimensions: N examples, D features, C classes, R rows of weights (1 for two classes, else C).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from concord.errors import DataError, MissingExtraError

Array = NDArray[Any]
Solver = Literal["sklearn", "torch"]

ITERATIONS = 1000
TOLERANCE = 1e-4
"""The largest number in the gradient of the mean loss at which the search is over (scikit-learn's default)."""

TILE = 2**26
"""Scores that are held at a time."""


@dataclass(frozen=True)
class Head:
    """A linear classifier.

    Attributes:
        weights: [C, D].
        bias: [C].
        known: [C] bool, the classes that it has learned; with several classes at a time all.
        converged: whether the fit came to its end.
    """

    weights: Array
    bias: Array
    known: NDArray[np.bool_]
    converged: bool = True

    def scores(self, features: Array) -> Tensor:
        """[N, C] of features [N, D]; classes that it has not learned stand behind all others, and tie among themselves."""
        scores = features @ self.weights.T + self.bias
        if not self.known.all():
            scores[:, ~self.known] = scores[:, self.known].min(axis=1, keepdims=True) - 1
        return torch.from_numpy(scores)


@dataclass(frozen=True)
class Fitter:
    """A way to fit heads.

    Attributes:
        solver: "sklearn" or "torch".
        device: where PyTorch computes.
        tolerance: see `TOLERANCE`.
    """

    solver: Solver = "sklearn"
    device: torch.device | str = "cpu"
    tolerance: float = TOLERANCE

    def fit(self, features: Array, labels: Array, classes: int, c: float, offset: Array | None = None) -> Head:
        """A head for one class per example, or for several.

        Args:
            features: [N, D].
            labels: [N] int64; or [N, C], 1 or 0 or nan where unknown: then each class is told from all others by itself.
            classes: C.
            c: how much the losses count against the weights, greater than 0.
            offset: [N, C], scores to which those of the head are added; for "torch" with one class per example.

        Raises:
            DataError: where the examples are all of one class.
            MissingExtraError: without scikit-learn.
        """
        if labels.ndim == 2:
            return self._one_by_one(features, labels, c)
        present = np.unique(labels)
        if len(present) < 2:
            raise DataError(f"a probe needs training examples of at least 2 classes, got {len(present)}")
        offset = None if offset is None else offset[:, present]
        rows, bias, converged = self._solve(features, np.searchsorted(present, labels), len(present), c, offset)
        if len(present) == 2:  # the first class has the score 0
            rows, bias = np.vstack([np.zeros_like(rows), rows]), np.concatenate([np.zeros_like(bias), bias])
        weights, biases, known = np.zeros((classes, rows.shape[1]), rows.dtype), np.zeros(classes, rows.dtype), np.zeros(classes, bool)
        weights[present], biases[present], known[present] = rows, bias, True
        return Head(weights, biases, known, converged)

    def _one_by_one(self, features: Array, labels: Array, c: float) -> Head:
        """Classes of which the labels say only yes, or only no, get the same score for everything."""
        weights, biases = np.zeros((labels.shape[1], features.shape[1]), features.dtype), np.zeros(labels.shape[1], features.dtype)
        done = True
        for place, own in enumerate(labels.T):
            known = ~np.isnan(own)
            if len(np.unique(own[known])) == 2:
                row, bias, converged = self._solve(features[known], own[known].astype(np.int64), 2, c, None)
                weights[place], biases[place], done = row[0], bias[0], done and converged
        return Head(weights, biases, np.ones(labels.shape[1], bool), done)

    def _solve(self, features: Array, labels: Array, classes: int, c: float, offset: Array | None) -> tuple[Array, Array, bool]:
        if self.solver == "sklearn":
            if offset is not None:
                raise ValueError("scikit-learn knows no offset; solve with torch")
            return _by_sklearn(features, labels, c, self.tolerance)
        return _by_torch(features, labels, classes, c, self.tolerance, torch.device(self.device), offset)


def _by_sklearn(features: Array, labels: Array, c: float, tolerance: float) -> tuple[Array, Array, bool]:
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtraError("scikit-learn", "bench") from None
    model = LogisticRegression(C=c, max_iter=ITERATIONS, tol=tolerance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is told with the head
        model.fit(features, labels)
    return model.coef_, model.intercept_, bool(np.max(model.n_iter_) < ITERATIONS)


def _by_torch(
    features: Array, labels: Array, classes: int, c: float, tolerance: float, device: torch.device, offset: Array | None
) -> tuple[Array, Array, bool]:
    x, y = torch.from_numpy(features).to(device), torch.from_numpy(labels).to(device)
    base = None if offset is None else torch.from_numpy(offset).to(x)
    rows = 1 if classes == 2 else classes
    head = torch.zeros(rows, x.shape[1] + 1, dtype=x.dtype, device=device)
    head.grad = torch.zeros_like(head)
    search = torch.optim.LBFGS(
        [head],
        lr=1.0,
        max_iter=ITERATIONS,
        max_eval=50 * ITERATIONS,
        tolerance_grad=tolerance,
        tolerance_change=torch.finfo(x.dtype).eps,
        history_size=10,
        line_search_fn="strong_wolfe",
    )
    search.step(_objective(head, x, y, classes, c, base))  # type: ignore[no-untyped-call]
    found = head.cpu().numpy()
    return found[:, :-1], found[:, -1], bool(search.state[head]["n_iter"] < ITERATIONS)


def _objective(head: Tensor, x: Tensor, y: Tensor, classes: int, c: float, base: Tensor | None) -> Callable[[], float]:
    """The mean loss plus the squared length of the weights over 2 N C, whose gradient it leaves at the head [R, D + 1].

    The gradient is written out, so that the examples can be gone through in tiles that fit in memory.
    """
    rows, total = len(head), len(x)
    tiles = [slice(start, start + max(1, TILE // classes)) for start in range(0, total, max(1, TILE // classes))]

    @torch.no_grad()
    def value() -> float:
        weights, bias = head[:, :-1], head[:, -1]
        gradient = torch.zeros_like(head)
        gradient[:, :-1] = weights / (c * total)
        loss = weights.square().sum() / (2 * c * total)
        for tile in tiles:
            scores = x[tile] @ weights.T + bias
            scores = F.pad(scores, (classes - rows, 0))
            scores = scores if base is None else scores + base[tile]
            loss = loss + F.cross_entropy(scores, y[tile], reduction="sum") / total
            wrong = (scores.softmax(dim=1) - F.one_hot(y[tile], classes))[:, classes - rows :] / total  # [n, R]
            gradient[:, :-1] += wrong.T @ x[tile]
            gradient[:, -1] += wrong.sum(dim=0)
        assert head.grad is not None
        head.grad.copy_(gradient)
        return float(loss)

    return value
