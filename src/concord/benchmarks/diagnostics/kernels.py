"""How alike two representations of the same examples are, and the file by which one model's wait for another's.

Dimensions: N examples, D and D' widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from concord.benchmarks.probes.seen import digest
from concord.errors import DataError
from concord.files import write_atomically

LEAST = 4
"""Examples below which the unbiased estimate does not exist."""


def cka(first: Tensor, second: Tensor, debiased: bool = True) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019) of vectors [N, D] and [N, D'].

    1 for representations that differ by a rotation and a scale. The plain form is in [0, 1] and grows towards 1 as N falls
    below the widths; the debiased one, by the unbiased estimate of HSIC (Song et al. 2012), is about 0 for unrelated
    representations at any N, may be slightly negative, and needs at least 4 examples. nan where one of them is constant.
    """
    if len(first) != len(second):
        raise ValueError(f"first and second must hold as many vectors, got {len(first)} and {len(second)}")
    if debiased and len(first) < LEAST:
        raise ValueError(f"first and second must hold at least {LEAST} vectors, got {len(first)}")
    grams = [(moved := vectors.double() - vectors.double().mean(dim=0)) @ moved.T for vectors in (first, second)]
    measure = _unbiased if debiased else lambda k, m: float((k * m).sum())
    across, own = measure(grams[0], grams[1]), [measure(gram, gram) for gram in grams]
    return across / (own[0] * own[1]) ** 0.5 if min(own) > 0 else float("nan")


def keep_vectors(path: Path, images: Tensor, texts: Tensor, keys: Sequence[str]) -> None:
    """Write the vectors of N pairs for `kept_vectors`."""
    content = save({"images": images.contiguous(), "texts": texts.contiguous()}, {"keys": digest(*keys)})
    write_atomically(path, lambda file: file.write(content))


def kept_vectors(path: Path, keys: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Images and texts of the same pairs, as another model embedded them.

    Raises:
        DataError: for a file that cannot be read, and one of other examples.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            found = file.get_tensor("images"), file.get_tensor("texts")
    except (OSError, SafetensorError) as error:
        raise DataError(f"reference: {path} holds no vectors that diagnostics kept ({' '.join(str(error).split())})") from None
    if about.get("keys") != digest(*keys):
        raise DataError(f"reference: {path} is of other examples; evaluate both models with the same reader, limit and seed")
    return found


def _unbiased(first: Tensor, second: Tensor) -> float:
    """HSIC_1 of Gram matrices [N, N]."""
    n = len(first)
    k, m = (gram - torch.diag(gram.diag()) for gram in (first, second))
    trace, sums = (k * m).sum(), k.sum() * m.sum() / ((n - 1) * (n - 2))
    return float((trace + sums - 2 / (n - 2) * (k.sum(dim=0) @ m.sum(dim=1))) / (n * (n - 3)))
