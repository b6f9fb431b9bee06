"""What training will read, in numbers, for the summary before the first step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from concord.data.mixture import Mixture
from concord.data.source import Source
from concord.data.views import Views

IDS_BYTES = 9  # per text position: an int64 id and a bool of the mask


@dataclass(frozen=True)
class ViewPlan:
    """What one view will look like in a global batch.

    Attributes:
        shape: of the tensor; of texts the largest, as captions are padded to the longest of the batch.
        bytes: of the tensor, of texts with their mask.
    """

    name: str
    recipe: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class PartPlan:
    """What one source of a mixture gives.

    Attributes:
        share: of the pairs that training reads.
        patients: of whom it has pictures; None where that is not known.
    """

    name: str
    examples: int
    share: float
    patients: int | None = None

    def epochs(self, pairs: int) -> float:
        """How often training on so many pairs of the mixture goes through this source."""
        return self.share * pairs / self.examples


@dataclass(frozen=True)
class DataPlan:
    """What training will read, for the summary before the first step.

    Attributes:
        parts: the sources of a mixture; empty for a single source.
        patients: of whom there are pictures; None where that is not known.
    """

    source: str
    path: str | None
    examples: int
    batch_size: int
    batches_per_epoch: float
    views: tuple[ViewPlan, ...]
    parts: tuple[PartPlan, ...] = ()
    patients: int | None = None

    @property
    def bytes(self) -> int:
        """Of a global batch, at most."""
        return sum(view.bytes for view in self.views)


def plan_views(views: Views, batch_size: int) -> tuple[ViewPlan, ...]:
    """What the views will look like in a global batch."""
    length = views.texts.tokenizer.context_length
    sizes = views.images.sizes
    images = [
        _plan(name, view.recipe, (batch_size, view.count, 3, sizes[name], sizes[name]), 1) for name, view in views.images.views.items()
    ]
    texts = [_plan(name, view.recipe, (batch_size, view.count, length), IDS_BYTES) for name, view in views.texts.views.items()]
    return (*images, *texts)


def plan_parts(source: Source) -> tuple[PartPlan, ...]:
    """What each source of a mixture gives; nothing for other sources."""
    if not isinstance(source, Mixture):
        return ()
    return tuple(PartPlan(name, len(part), source.shares[name]) for name, part in source.sources.items())


def _plan(name: str, recipe: str, shape: tuple[int, ...], width: int) -> ViewPlan:
    """A view with one draw has no axis for its draws."""
    rows, count, *rest = shape
    return ViewPlan(name, recipe, (rows, *rest) if count == 1 else shape, width * math.prod(shape))
