"""What stands behind a source of medical pictures, however it is wrapped: whose pictures they are, and of which kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from concord.data.joined import Joined
from concord.data.medical.mirrored import Mirrored
from concord.data.medical.source import MedicalImages
from concord.data.wrapper import Selection, Wrapper


def medical_parts(source: object, chosen: np.ndarray | None = None) -> Iterator[tuple[MedicalImages, np.ndarray]]:
    """The medical sources that a source is made of, each with the indices of its examples that are left, int64 [n].

    Args:
        source: any source or reader; of other kinds of data there is nothing to tell.
        chosen: indices of the examples that count; None for all.
    """
    if not isinstance(source, MedicalImages | Wrapper):
        return
    indices = np.arange(len(source)) if chosen is None else chosen
    if isinstance(source, MedicalImages):
        yield source, indices
    elif isinstance(source, Selection):
        yield from medical_parts(source.source, source.indices[indices])
    elif isinstance(source, Joined):
        end = 0
        for part in source.inside:
            start, end = end, end + len(part)
            yield from medical_parts(part, indices[(indices >= start) & (indices < end)] - start)
    elif isinstance(source, Mirrored):
        yield from medical_parts(source.source, np.unique(indices // 2))
    else:
        places = [source.place(index) for index in indices.tolist()]
        for part in source.inside:
            own = {place for origin, place in places if origin is part}
            yield from medical_parts(part, np.array(sorted(own), dtype=np.int64))


def patients_in(source: object) -> dict[str, set[str]]:
    """Who is in a source, by cohort: to be counted and compared, never to be shown."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for part, indices in medical_parts(source):
        found[part.cohort] |= set(part.exams.column("patient")[indices].tolist())
    return dict(found)


def modalities_in(source: object) -> set[str]:
    """The kinds of pictures in a source, as far as they are known."""
    found: set[str] = set()
    for part, indices in medical_parts(source):
        found |= {modality or part.layout.modality for modality in set(part.exams.column("modality")[indices].tolist())}
    return found - {""}
