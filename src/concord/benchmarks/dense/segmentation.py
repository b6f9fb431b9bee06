"""Zero-shot segmentation: the class whose words fit a place best, from the patches of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from concord.benchmarks import figures
from concord.benchmarks.classification.prompts import prompts_of, wording_of
from concord.benchmarks.dense.labels import Rule
from concord.benchmarks.dense.masks import Part, checked_mask, join
from concord.benchmarks.dense.overlap import overlaps
from concord.benchmarks.dense.windows import Windows, resized
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Dense
from concord.benchmarks.records import Results, merge
from concord.benchmarks.task import Task
from concord.errors import ConfigError, DataError, IncompatibleError
from concord.images import decode
from concord.items import IGNORED, SegmentedSet
from concord.types import Pair, Paper, PatchAttention

JOB = 8
"""Images that one process reads and labels at a time."""

DRAWN_CLASSES = 100
"""Classes up to which a confusion matrix is drawn."""

SHOWN_WORDS = 3
"""Classes of an image that are mapped for it."""

SEPARATOR = ","


class Segmentation(Task):
    """A class for every pixel by the words that fit its patch, without training on masks (Wang et al. 2024, SCLIP).

    An image is resized, cut into overlapping windows, and each of their patches compared with the names of the classes, each
    filled into all templates, averaged and brought to unit length. Cosines are upsampled linearly, averaged over windows,
    upsampled to the size of the mask, and the class of the best word wins; a class has one or more words. No refinement by the
    colours of the picture. Published numbers were taken with `attention` other than "vanilla"; larger models are often worse.

    A pixel where classes tie counts as taken for none. Images are read and forgotten one by one.

    Records, `segmentation/DATASET/METRIC`:
        miou: intersection over union of the pixels of all images together, averaged over the classes that occur. Chance is what
            always saying the most frequent class gives.
        pixel_accuracy: the share of pixels; chance is the share of the most frequent class.
        CLASS/iou: of each class, where `per_class` is set; chance is what always saying this class gives.

    Intervals draw whole images.

    Args:
        reader: images, masks and class names; "," stands between several names of a class.
        templates: as in `ZeroShotClassification`.
        class_names: by class, or a published set, or a file; None takes the reader's own.
        attention: what patches look at in the last block; see `concord.models.patches`.
        short_side: what the shorter side of an image is brought to, pixels.
        window: side of a window, pixels; a multiple of the model's patch size.
        stride: distance of neighbouring windows, pixels.
        scale: what cosines are multiplied with before the softmax that `background` is about.
        background: class 0 takes the pixels where the probability of the best word is below this, in (0, 1); None for a set
            without background.
        min_area: other classes that take less than this share of what they take together in an image are left out of it, in
            (0, 1); None for none.
        per_class: whether to report each class.
        limit, unit: see `Task`.
    """

    kind = "segmentation"
    reader: SegmentedSet
    paper: ClassVar[Paper] = Paper(
        "SCLIP: Rethinking Self-Attention for Dense Vision-Language Inference", "Wang et al.", 2024, "https://arxiv.org/abs/2312.01597"
    )

    def __init__(
        self,
        reader: SegmentedSet,
        templates: list[str] | str | None = None,
        class_names: list[str] | str | None = None,
        attention: PatchAttention = "vanilla",
        short_side: int = 336,
        window: int = 224,
        stride: int = 112,
        scale: float = 40.0,
        background: float | None = None,
        min_area: float | None = None,
        per_class: bool = False,
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        if scale <= 0:
            raise ValueError(f"scale must be above 0, got {scale}")
        for name, value in (("background", background), ("min_area", min_area)):
            if value is not None and not 0 < value < 1:
                raise ValueError(f"{name} must lie in (0, 1) or be null, got {value}")
        self.wording = wording_of(reader, class_names, templates, synonyms=SEPARATOR)
        if not 2 <= len(self.wording.names) <= IGNORED:
            raise ConfigError(f"{reader.name}: class_names must hold 2 to {IGNORED} classes, got {len(self.wording.names)}")
        self.words = [[word.strip() for word in names.split(SEPARATOR) if word.strip()] for names in self.wording.names]
        if not all(self.words):
            raise ConfigError(f"{reader.name}: class_names must not be empty, class {self.words.index([])} is")
        self.sizes = [len(own) for own in self.words]
        self.windows = Windows(short_side, window, stride, attention)
        self.rule = Rule(scale, background, min_area)
        self.per_class = per_class

    @property
    def class_names(self) -> list[str]:
        """By class, the first of its words; a background goes by this name."""
        first = [own[0] for own in self.words]
        return first if self.rule.background is None else ["background", *first[1:]]

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), **self.wording.settings(), "windows": repr(self.windows), "rule": repr(self.rule)}

    def run(self, evaluation: Evaluation) -> Results:
        scorer = self._dense(evaluation)
        words, indices = self._embed_words(evaluation), self._indices(evaluation)
        shown = {indices[place] for place in evaluation.shown(len(indices), self.reader.name)}
        jobs = [indices[start : start + JOB] for start in range(0, len(indices), JOB)]
        parts = evaluation.ranks.spread(jobs, lambda job: self._labelled(scorer, words, job, shown))
        images = join(self.reader.name, parts)
        evaluation.embedded += len(images)
        drawn = {name: figure for part in parts for name, figure in part.drawn.items()}
        measured = overlaps(self, evaluation, images, self.class_names if self.per_class else None)
        confusion = np.sum([part.confusion for part in parts], axis=0)
        return merge([measured, Results(figures={**drawn, **self._confusion(evaluation, confusion)})])

    def _dense(self, evaluation: Evaluation) -> Dense:
        scorer = evaluation.scorer
        if not isinstance(scorer, Dense):
            raise IncompatibleError(f"{self.reader.name}: this model shows no patches to segment by; it needs an embed_patches method")
        if self.windows.window % scorer.patch_size:
            window = self.windows.window
            raise IncompatibleError(f"{self.reader.name}: window={window} is no multiple of the model's patches of {scorer.patch_size}")
        return scorer

    def _embed_words(self, evaluation: Evaluation) -> Tensor:
        """Every word in all templates, averaged, [M, E]."""
        prompts = prompts_of([word for own in self.words for word in own], self.wording.templates)
        embedded = evaluation.texts([prompt for own in prompts for prompt in own]).vectors
        return F.normalize(embedded.float().reshape(len(prompts), -1, embedded.shape[1]).mean(dim=1), dim=-1)

    def _indices(self, evaluation: Evaluation) -> list[int]:
        count = len(self.reader.images)
        if self.limit is None or self.limit >= count:
            return list(range(count))
        return sorted(evaluation.generator("subset", self.reader.name).choice(count, size=self.limit, replace=False).tolist())

    def _labelled(self, scorer: Dense, words: Tensor, job: Sequence[int], shown: set[int]) -> Part:
        part = Part.of(len(self.words))
        for index in job:
            try:
                pair = self.reader.images[index]
                picture = decode(pair.image)
                pixels = resized(picture, self.windows.short_side)
            except DataError as error:
                part.causes[str(getattr(error, "cause", error))] += 1
                continue
            gold = checked_mask(self.reader, index, pair.key, picture.size, len(self.words))
            with torch.inference_mode():
                maps = self.windows.maps(scorer, pixels, words)
                labels = self.rule.labels(maps, self.sizes, gold.shape)
            part.add(pair, gold, labels)
            if index in shown:
                name = f"{self.kind}/{self.reader.name}/patches/{pair.key}"
                part.drawn[name] = self._patch_map(maps, scorer.patch_size, pair, gold)
        return part

    def _patch_map(self, maps: Tensor, patch_size: int, pair: Pair, gold: NDArray[np.uint8]) -> figures.Figure:
        """The commonest classes of an image, and how well their best word fits each patch."""
        counted = np.bincount(gold[gold != IGNORED], minlength=len(self.words))
        common = [label for label in np.argsort(-counted, kind="stable")[:SHOWN_WORDS].tolist() if counted[label]]
        by_class = torch.split(maps, self.sizes)
        grid = max(1, maps.shape[1] // patch_size), max(1, maps.shape[2] // patch_size)
        drawn = {self.class_names[label]: F.adaptive_avg_pool2d(by_class[label].amax(dim=0)[None], grid)[0].tolist() for label in common}
        return figures.patch_map(f"{self.reader.name}: {pair.key}", pair.image, drawn)

    def _confusion(self, evaluation: Evaluation, confusion: NDArray[np.int64]) -> dict[str, figures.Figure]:
        if not evaluation.gallery or len(self.words) > DRAWN_CLASSES:
            return {}
        figure = figures.confusion(f"{self.reader.name}: confusion of pixels", self.class_names, confusion[:, :-1].tolist())
        return {f"{self.kind}/{self.reader.name}/confusion": figure}
