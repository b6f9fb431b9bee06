"""How each kind of number is written, and which way is better."""

from __future__ import annotations

LOWER_IS_BETTER = frozenset(
    {
        "median_rank",
        "modality_gap",
        "alignment",
        "uniformity",
        "loss",
        "ece",
        "adaptive_ece",
        "pairwise_ece",
        "drop_e",
        "drop_s",
        "nll",
        "brier",
        "group_gap",
        "relative_drop",
        "hubness",
        "relative_gap",
        "negative_cosine",
        "centroid_norm",
        "separability",
        "above_random",
        "top1_sd",
    }
)
"""Metrics, by the last part of their name, of which less is more."""

PLAIN = frozenset(
    {
        "median_rank",
        "nll",
        "brier",
        "temperature",
        "mcc",
        "quadratic_kappa",
        "rsum",
        "spearman",
        "pearson",
        "logit_scale",
        "tokens_per_word",
        "chosen_c",
        "cosine",
        "above_random",
    }
)
"""Metrics that are no shares, so that percent would mislead."""


def sign(name: str) -> float:
    """1 where more is better, -1 where less is."""
    return -1.0 if name.rsplit("/", 1)[-1] in LOWER_IS_BETTER else 1.0


def number(name: str, value: float | None) -> str:
    """Shares as percentages with one decimal, ranks and diagnostics as they are; a dash for nothing."""
    if value is None:
        return "–"
    metric = name.rsplit("/", 1)[-1]
    plain = metric in PLAIN or (name.startswith("diagnostics/") and not metric.endswith("r1"))
    return f"{value:.3g}" if plain else f"{100 * value:.1f}"
