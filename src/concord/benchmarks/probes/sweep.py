"""How much a probe's weights are held back: the search of the CLIP paper (Radford et al. 2021, appendix A.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

DECADES = 6
STEPS = 8
"""Values per decade; 1e-6 to 1e6 in steps of an eighth of a decade are 97 values."""

GRID = [10 ** (place / STEPS) for place in range(-DECADES * STEPS, DECADES * STEPS + 1)]
COARSE = 2 * STEPS
"""Steps between the first values that are tried: 1e-6, 1e-4, ..., 1e6."""


def best_c(scores: Callable[[Sequence[float]], Sequence[float]]) -> float:
    """The value of `GRID` with the best score: the neighbours of the best one so far are tried, ever closer ones.

    Of values with equal scores the smallest counts, which holds the weights back most.

    Args:
        scores: how good each of several values is, higher is better; never on test data.
    """
    found: dict[int, float] = {}
    best, step = -1, COARSE
    places = list(range(0, len(GRID), COARSE))
    while step:
        new = [place for place in places if 0 <= place < len(GRID) and place not in found]
        found.update(zip(new, scores([GRID[place] for place in new]) if new else [], strict=True))
        best = max(sorted(found), key=found.__getitem__)
        step //= 2
        places = [best - step, best + step]
    return GRID[best]
