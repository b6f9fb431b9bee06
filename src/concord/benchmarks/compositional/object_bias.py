"""Whether a model reads and sees all objects of a scene alike, or the first-mentioned and the largest one better.

Dimensions: N scenes, V distinct objects, E embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from concord.benchmarks.classification.prompts import prompts_of
from concord.benchmarks.compositional.forms import Verdict, first_win
from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Results, merge
from concord.benchmarks.statistics import bootstrap, mean_of, percentile_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import DataError
from concord.types import Paper

PLACES = ("first", "second", "third", "fourth", "fifth")
"""Mentions that are reported; scenes may have more."""

PART = 256
"""Scenes that one process scores at a time."""


@dataclass(frozen=True)
class Scene:
    """A row of the examples, its objects in the order of the caption, and the place of the large one, if one is."""

    row: int
    objects: Sequence[str]
    large: int | None


class ObjectBias(Task):
    """Finding each object of a scene again, from its caption and from its image (ComCO, Abbasi et al. 2025).

    An object is found where its text fits better than that of every object of the data set that the scene lacks. From the
    caption, by the cosine of text vectors; from the image, by the model's score.

    Records: `object_bias/DATASET/text/{first,second,...}/recall` by the place of the object in the caption, and
    `object_bias/DATASET/image/{large,other}/recall` by its size. `text/bias` and `image/bias` are the mean over scenes of
    the recall of the first, or the large, object less that of the others, in [-1, 1]; 0 is fair.

    Args:
        reader: pairs whose first caption names the objects in `metadata["objects"]`, at least two, in this order;
            `metadata["large"]` is the place of the large one among them, or None.
        template: the text of an object; `{}` stands for its name, `{a}` for its article.
        limit, unit: see `Task`.
    """

    kind = "object_bias"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "CLIP Under the Microscope: A Fine-Grained Analysis of Multi-Object Representation",
        "Abbasi et al.",
        2025,
        "https://arxiv.org/abs/2502.19842",
    )

    def __init__(self, reader: Reader, template: str = "{a} {}", limit: int | None = None, unit: str | None = None) -> None:
        super().__init__(reader, limit, unit)
        if "{}" not in template:
            raise ValueError(f"template must hold {{}} for the object, got {template!r}")
        self.template = template

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "template": self.template}

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader, self.limit)
        scenes = [scene for row in range(len(examples)) if (scene := self._scene(examples, row)) is not None]
        if not scenes:
            raise DataError(f"{self.reader.name}: no example has a caption and at least two objects (metadata objects)")
        names = sorted({name for scene in scenes for name in scene.objects})
        if all(set(scene.objects) == set(names) for scene in scenes):
            raise DataError(f"{self.reader.name}: all scenes show the same objects, so none can be mistaken for another")
        units = self.units(examples.pairs)
        found = _Found(self, evaluation, examples, scenes, units, names)
        return merge([*found.text(), *found.image()])

    def _scene(self, examples: Examples, row: int) -> Scene | None:
        pair = examples.pairs[row]
        objects, large = pair.metadata.get("objects"), pair.metadata.get("large")
        if not pair.captions or not isinstance(objects, Sequence) or isinstance(objects, str) or len(objects) < 2:
            return None
        if len(set(objects)) < len(objects):
            raise DataError(f"{self.reader.name}, example {pair.key}: objects must differ, got {list(objects)}")
        if large is not None and not (isinstance(large, int) and 0 <= large < len(objects)):
            raise DataError(f"{self.reader.name}, example {pair.key}: large must lie in [0, {len(objects) - 1}], got {large!r}")
        return Scene(row, [str(name) for name in objects], large)


@dataclass(frozen=True)
class _Found:
    """One run: the scenes with the texts of all objects."""

    task: ObjectBias
    evaluation: Evaluation
    examples: Examples
    scenes: Sequence[Scene]
    units: NDArray[np.int64]
    names: Sequence[str]

    def text(self) -> list[Results]:
        captions = self.evaluation.texts([self.examples.pairs[scene.row].captions[0] for scene in self.scenes])
        objects = self.evaluation.texts(self._prompts())
        vectors, others = (F.normalize(side.vectors.double(), dim=-1) for side in (captions, objects))
        verdicts = self._verdicts(self.scenes, (vectors @ others.T).tolist())
        most = min(len(PLACES), max(len(scene.objects) for scene in self.scenes))
        found = [self._recall(f"text/{PLACES[place]}", self.scenes, verdicts, [[place]] * len(self.scenes)) for place in range(most)]
        return [*found, self._bias("text", self.scenes, verdicts, [0] * len(self.scenes))]

    def image(self) -> list[Results]:
        scenes = [scene for scene in self.scenes if scene.large is not None]
        if not scenes:
            return []
        objects = self.evaluation.texts(self._prompts())
        rows = [scene.row for scene in scenes]
        jobs = [torch.tensor(rows[start : start + PART]) for start in range(0, len(rows), PART)]
        score = self.evaluation.scorer.score
        parts = self.evaluation.ranks.spread(jobs, lambda job: score(self.examples.images[job], objects).double().cpu())
        verdicts = self._verdicts(scenes, torch.cat(parts).tolist())
        large = [scene.large for scene in scenes if scene.large is not None]
        other = [[place for place in range(len(scene.objects)) if place != own] for scene, own in zip(scenes, large, strict=True)]
        return [
            self._recall("image/large", scenes, verdicts, [[place] for place in large]),
            self._recall("image/other", scenes, verdicts, other),
            self._bias("image", scenes, verdicts, large),
        ]

    def _prompts(self) -> list[str]:
        return [prompts[0] for prompts in prompts_of(self.names, [self.task.template])]

    def _verdicts(self, scenes: Sequence[Scene], scores: Sequence[Sequence[float]]) -> list[list[Verdict]]:
        """By scene and object, whether it is found; from scores [scenes][V]."""
        place_of = {name: place for place, name in enumerate(self.names)}
        found = []
        for scene, row in zip(scenes, scores, strict=True):
            own = [place_of[name] for name in scene.objects]
            absent = [score for place, score in enumerate(row) if place not in set(own)]
            found.append([first_win([row[place], *absent], 1) if absent else Verdict(0.0, 0.0, False) for place in own])
        return found

    def _recall(
        self, subset: str, scenes: Sequence[Scene], verdicts: Sequence[Sequence[Verdict]], places: Sequence[Sequence[int]]
    ) -> Results:
        """How often the objects at these places of each scene are found; places that a scene lacks are left out."""
        chosen = [
            (scene, place, own[place])
            for scene, own, wanted in zip(scenes, verdicts, places, strict=True)
            for place in wanted
            if place < len(scene.objects)
        ]
        keys = [f"{self.examples.pairs[scene.row].key}/{scene.objects[place]}" for scene, place, _ in chosen]
        asked = Asked(keys, self.units[[scene.row for scene, _, _ in chosen]], self.examples.checksum)
        strict, half, tied = np.array([verdict for _, _, verdict in chosen], dtype=np.float64).T
        chance = float(np.mean([1 / (1 + len(self.names) - len(scene.objects)) for scene, _, _ in chosen]))
        columns = {"half": float(half.mean()), "ties": int(tied.sum())}
        return self.task.share(self.evaluation, "recall", strict, chance, asked, subset, **columns)

    def _bias(self, side: str, scenes: Sequence[Scene], verdicts: Sequence[Sequence[Verdict]], favoured: Sequence[int]) -> Results:
        values = np.array([_less_others([verdict.strict for verdict in own], place) for own, place in zip(verdicts, favoured, strict=True)])
        rows = [scene.row for scene in scenes]
        asked = Asked([self.examples.pairs[row].key for row in rows], self.units[rows], self.examples.checksum)
        interval = None
        if self.evaluation.bootstrap:
            rng = self.evaluation.generator(self.task.kind, self.task.reader.name, side, "bias")
            units = np.unique(asked.units, return_inverse=True)[1]
            interval = percentile_interval(bootstrap(mean_of(values), len(values), self.evaluation.bootstrap, rng, units)[:, 0])
        return Results([self.task.record(self.evaluation, "bias", float(values.mean()), 0.0, asked, interval, side)])


def _less_others(values: Sequence[float], place: int) -> float:
    others = [value for number, value in enumerate(values) if number != place]
    return values[place] - sum(others) / len(others)
