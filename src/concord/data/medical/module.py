"""MedicalDataModule: the data module, with a radiologist's doubts about augmentations."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from concord.data.medical.parts import modalities_in, patients_in
from concord.data.medical.unsafe import unsafe
from concord.data.module import WebDataModule
from concord.data.plan import DataPlan
from concord.data.source import Composed, Source
from concord.data.views import Views
from concord.images import Preprocess

logger = logging.getLogger(__name__)

CROPPED = "radiograph", "mammograph"
"""Films that are higher or wider than square, with organs up to their edges."""


class MedicalDataModule(WebDataModule):
    """A `WebDataModule` that warns, once and with the reason, of what would make captions of its pictures untrue: of augmentations
    that their modality does not bear, and of a preprocessing that cuts films or changes the proportions of organs.

    That nothing of patients is left in what a run writes is no matter of the module: any one does that with sources that are
    not open, see `concord.access`.
    """

    _told = False

    def make_views(self, *args: Any, **kwargs: Any) -> Views:
        """As `WebDataModule.make_views`."""
        views = super().make_views(*args, **kwargs)
        if not self._told:
            self._told = True
            for doubt in self._doubts(views):
                logger.warning("%s", doubt)
        return views

    def plan(self) -> DataPlan:
        """As `WebDataModule.plan`, with the number of patients."""
        plan = super().plan()
        sources = self.source.sources if isinstance(self.source, Composed) else {}
        parts = tuple(replace(part, patients=_count(sources[part.name])) for part in plan.parts)
        return replace(plan, parts=parts, patients=_count(self.source))

    def _doubts(self, views: Views) -> list[str]:
        modalities = modalities_in(self.source)
        used = {view.recipe for view in views.images.views.values()}
        recipes = {name: recipe for name, recipe in self.augmentation.items() if name in used}
        doubts = [f"data.augmentation: {complaint}" for complaint in unsafe(recipes, modalities)]
        return doubts + _doubts_of(views.images.preprocess, modalities)


def _count(source: Source) -> int | None:
    """How many patients a source is of; None where it does not say."""
    return sum(map(len, patients_in(source).values())) or None


def _doubts_of(preprocess: Preprocess, modalities: set[str]) -> list[str]:
    if preprocess.resize == "crop" and (films := sorted(modalities.intersection(CROPPED))):
        return [
            f"preprocess.resize=crop cuts the edges of films off, and what is found there ({', '.join(films)}); preprocess=whole keeps them"
        ]
    if preprocess.resize == "squash" and modalities:
        return ["preprocess.resize=squash changes the proportions of organs; preprocess=whole keeps them"]
    return []
