"""One source as a mixture of its parts."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from concord.data.medical.source import MedicalImages
from concord.data.mixture import MixedBatches, Mixture
from concord.data.wrapper import Selection
from concord.errors import DataError


def balanced(
    source: MedicalImages,
    field: str,
    weights: dict[str, float] | None = None,
    temperature: float = 1.0,
    batches: MixedBatches = "mixed",
) -> Mixture:
    """A source whose parts are drawn by weight, whatever their sizes: as FLAIR (Silva-Rodríguez et al. 2025) draws from each of its
    data sets, and as UniMed-CLIP draws from each modality.

    Args:
        source: what is taken apart.
        field: of its metadata, whose value says which part an example belongs to, such as "dataset" or "modality".
        weights: of the parts by value, see `Mixture`; None gives all the same.
        temperature, batches: see `Mixture`.

    Raises:
        DataError: for an example that lacks the field.
        ValueError: for weights that do not match the values, and what `Mixture` refuses.
    """
    parts: dict[str, list[int]] = defaultdict(list)
    for index in range(len(source)):
        value = source.metadata(index).get(field)
        if value is None or value == "":
            raise DataError(f"{source.name}: the metadata of an example lack {field}, by which it is to be balanced")
        parts[str(value)].append(index)
    sources = {name: Selection(source, np.array(indices, dtype=np.int64)) for name, indices in sorted(parts.items())}
    return Mixture({**sources}, weights if weights is not None else dict.fromkeys(sources, 1.0), temperature, batches)
