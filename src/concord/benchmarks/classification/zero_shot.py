"""Zero-shot classification: the class whose description fits an image best.

Dimensions: N images, C classes, T templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from concord import vocabularies
from concord.benchmarks import figures
from concord.benchmarks.classification.accuracies import auroc, mean_per_class, of_confusion, top
from concord.benchmarks.classification.calibrated import Classified, calibration
from concord.benchmarks.classification.labels import label_of
from concord.benchmarks.classification.prompts import prompts_of, wording_of
from concord.benchmarks.classification.standings import Standings, standings
from concord.benchmarks.classification.worst_group import groups_of, worst_group
from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.gallery import Candidate, GalleryItem, mixed
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Results, merge
from concord.benchmarks.task import Asked, Task
from concord.errors import ConfigError
from concord.types import Paper

Metric = Literal["top1", "top5", "mean_per_class", "macro_f1", "mcc", "quadratic_kappa", "auroc", "calibration"]

SHOWN = 5

DRAWN_CLASSES = 100
"""Classes up to which a confusion matrix is drawn."""


class ZeroShotClassification(Task):
    """Top-1, top-5 and mean-per-class accuracy with prompt ensembles (Radford et al. 2021, section 3.1), and more on demand.

    An image counts for top-k where fewer than k other classes reach the score of the right one: ties are misses. Where
    `argmax` decides, as in CLIP_benchmark, the class with the lower label wins a tie; so on ImageNet, where two classes are
    called "missile" and two "sunglasses", half of their images count there and none here. Without ties the numbers are the
    same. The prompts are embedded anew in every run, because the text tower may have moved since the last.

    Records, `zero_shot/DATASET/METRIC`:
        top1, top5: accuracy; top5 only with more than five classes. Chance is 1 / C and 5 / C: a data set with a frequent
            class is answered better by always naming it.
        mean_per_class: mean over the classes that occur of the accuracy in each (balanced accuracy). Chance is 1 / C, and a
            constant answer gets no more. The interval draws within each class.
        macro_f1: over the classes that occur. Its chance is that of a uniform guess about many images.
        mcc: Matthews' correlation coefficient; chance is 0.
        quadratic_kappa: Cohen's kappa with quadratic weights, for classes that are grades in order; chance is 0.
        auroc: of two classes, the score of the second minus that of the first; a tie counts half.
        ece, adaptive_ece, nll, brier, temperature, ece_tempered: see `calibrated.py`.
        worst_group, group_gap, and GROUP/top1: where `group` is given.
        template_min, template_median, template_max: top1 with one template at a time, where `per_template` is set.
        SUBSET/top1: on the images of some ImageNet classes, with only these to choose from.

    Args:
        reader: pairs with an integer `label` in their metadata.
        templates: sentences with `{}` for the class name, a published set (see `concord.vocabularies`), or a .txt or .json
            file. None takes the reader's own `templates`, else the set `photo`; with descriptions it takes none.
        class_names: by label, or a published set, or a file; None takes the reader's own `class_names`.
        descriptions: sentences by class name, or a JSON file with them, beside or instead of templates (CuPL).
        synonyms: what stands between several names of one class, such as ", "; None takes each name as one.
        metrics: what to report.
        group: metadata that names a group, such as "region", whose worst top-k accuracy matters; images without one do not count.
        min_group: how many images a group must have to be the worst.
        group_metric: by which accuracy groups are compared.
        per_template: whether to try each template by itself.
        subsets: sets of ImageNet classes, "imagenet_a" and so on; the classes must be the 1000 of ImageNet.
        limit, unit: see `Task`.
    """

    kind = "zero_shot"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "Learning Transferable Visual Models From Natural Language Supervision", "Radford et al.", 2021, "https://arxiv.org/abs/2103.00020"
    )

    def __init__(
        self,
        reader: Reader,
        templates: list[str] | str | None = None,
        class_names: list[str] | str | None = None,
        descriptions: dict[str, list[str]] | str | None = None,
        synonyms: str | None = None,
        metrics: tuple[Metric, ...] = ("top1", "top5", "mean_per_class"),
        group: str | None = None,
        min_group: int = 30,
        group_metric: Literal["top1", "top5"] = "top1",
        per_template: bool = False,
        subsets: tuple[str, ...] = (),
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        self.wording = wording_of(reader, class_names, templates, descriptions, synonyms)
        if len(self.class_names) < 2:
            raise ValueError(f"class_names must hold at least 2 classes, got {len(self.class_names)}")
        if min_group < 1:
            raise ValueError(f"min_group must be at least 1, got {min_group}")
        self.metrics = tuple(metrics)
        self.group, self.min_group, self.group_metric = group, min_group, group_metric
        self.per_template = per_template
        self.subsets = {name: vocabularies.imagenet_labels(name) for name in subsets}
        self._check()

    @property
    def class_names(self) -> list[str]:
        """By label."""
        return list(self.wording.names)

    @property
    def templates(self) -> tuple[str, ...]:
        """Sentences with `{}`."""
        return self.wording.templates

    def settings(self) -> Mapping[str, Any]:
        groups = {"group": self.group, "min_group": self.min_group, "group_metric": self.group_metric}
        return {**super().settings(), **self.wording.settings(), **(groups if self.group else {})}

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader, self.limit)
        labels = torch.tensor([label_of(examples, row, len(self.class_names)) for row in range(len(examples))])
        asked = Asked([pair.key for pair in examples.pairs], self.units(examples.pairs), examples.checksum)
        single = self._single_templates(evaluation, examples, labels, asked) if self.per_template else Results()
        scores = evaluation.class_scores(examples.images, self.wording.prompts())
        found = standings(scores, labels)
        parts = [self._measured(evaluation, metric, found, scores, asked) for metric in self.metrics]
        parts += [self._subset(evaluation, name, scores, found, asked) for name in self.subsets]
        if self.group is not None:
            groups = groups_of(examples.pairs, self.group, self.reader.name)
            # Where a group is one unit, what is drawn within it are its images.
            among = replace(asked, units=np.arange(len(asked))) if self.unit == self.group else asked
            parts.append(worst_group(self, evaluation, found, int(self.group_metric[3:]), among, groups, self.min_group))
        gallery = self._gallery(evaluation, examples, scores, found)
        return merge([*parts, single, Results(gallery=gallery, figures=self._confusion(found))])

    def _check(self) -> None:
        classes = len(self.class_names)
        if "auroc" in self.metrics and classes != 2:
            raise ConfigError(f"metrics: auroc needs exactly 2 classes, {self.reader.name} has {classes}; take mean_per_class or macro_f1")
        if self.group_metric == "top5" and classes <= 5:
            raise ConfigError(f"group_metric: top5 needs more than 5 classes, {self.reader.name} has {classes}; take top1")
        if self.per_template and len(self.templates) < 2:
            raise ConfigError(f"per_template needs at least 2 templates, got {len(self.templates)}")
        if self.subsets and classes != 1000:
            raise ConfigError(f"subsets are of the 1000 classes of ImageNet, {self.reader.name} has {classes} classes")

    def _measured(self, evaluation: Evaluation, metric: Metric, found: Standings, scores: Tensor, asked: Asked) -> Results:
        if metric == "top1" or metric == "top5":
            return top(self, evaluation, found, int(metric[3:]), asked)
        if metric == "mean_per_class":
            return mean_per_class(self, evaluation, found, asked)
        if metric == "auroc":
            return auroc(self, evaluation, scores.double().numpy(), found.labels, asked)
        if metric == "calibration":
            return calibration(self, evaluation, Classified(scores, torch.from_numpy(found.labels), found.hits(), asked))
        return of_confusion(self, evaluation, metric, found, asked)

    def _subset(self, evaluation: Evaluation, name: str, scores: Tensor, found: Standings, asked: Asked) -> Results:
        classes = np.array(self.subsets[name])
        rows = np.flatnonzero(np.isin(found.labels, classes))
        if not len(rows):
            return Results(skipped={f"{self.kind}/{self.reader.name}/{name}": "no example is of one of its classes"})
        labels = torch.from_numpy(np.searchsorted(classes, found.labels[rows]))
        own = standings(scores[torch.from_numpy(rows)][:, torch.from_numpy(classes)], labels)
        return top(self, evaluation, own, 1, asked.take(rows.tolist()), name)

    def _single_templates(self, evaluation: Evaluation, examples: Examples, labels: Tensor, asked: Asked) -> Results:
        shares = []
        for template in self.templates:
            prompts = prompts_of(self.class_names, [template], self.wording.separator)
            found = standings(evaluation.class_scores(examples.images, prompts), labels)
            shares.append((found.hits().mean(), found.expected().mean()))
        values, halves = np.array(shares).T
        chance, records = 1 / len(self.class_names), []
        for name, quantile in (("template_min", 0.0), ("template_median", 0.5), ("template_max", 1.0)):
            value, half = (float(np.quantile(column, quantile)) for column in (values, halves))
            records.append(self.record(evaluation, name, value, chance, asked, half=half))
        return Results(records)

    def _confusion(self, found: Standings) -> dict[str, figures.Figure]:
        if found.classes > DRAWN_CLASSES:
            return {}
        title = f"{self.reader.name}: confusion"
        return {f"{self.kind}/{self.reader.name}/confusion": figures.confusion(title, self.class_names, found.confusion().tolist())}

    def _gallery(self, evaluation: Evaluation, examples: Examples, scores: Tensor, found: Standings) -> list[GalleryItem]:
        order = evaluation.generator("gallery", self.reader.name).permutation(len(examples)).tolist()
        rows = mixed(order, found.hits().tolist(), evaluation.gallery)
        return [
            GalleryItem(
                self.kind,
                self.reader.name,
                examples.picture(row),
                None,
                [self.class_names[found.labels[row]]],
                self._answers(scores[row], int(found.labels[row])),
            )
            for row in rows
        ]

    def _answers(self, scores: Tensor, label: int) -> list[Candidate]:
        best = scores.topk(min(SHOWN, len(scores)))
        return [
            Candidate(self.class_names[c], None, score, c == label)
            for score, c in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
