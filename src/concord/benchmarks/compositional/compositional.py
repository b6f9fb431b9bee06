"""Compositional tests: the right text or image against nearly the same that says or shows something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, ClassVar, Literal

import numpy as np

from concord.benchmarks.compositional.blind import Blind
from concord.benchmarks.compositional.gallery import gallery
from concord.benchmarks.compositional.paraphrases import nearest_by_chance, nearest_to_each_other
from concord.benchmarks.compositional.questions import Questions, answerable, ask, same_words, score, truncated
from concord.benchmarks.compositional.tally import BLIND, STRICT, BlindVerdicts, Parts, Tally, alike, joined, shares_of, tallies_of
from concord.benchmarks.evaluation import Evaluation, log
from concord.benchmarks.protocol import Scorer
from concord.benchmarks.records import Results, merge
from concord.benchmarks.statistics import bootstrap, share_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import ConfigError
from concord.items import Item, ItemSet
from concord.types import Paper

Groups = Literal["mean", "all"]
SAME_WORDS = "same_words"


class Compositional(Task):
    """Questions with nearly alike answers: which text says what is in an image, which image shows what a text says.

    A right answer must score strictly above every wrong one; `half` gives a tie the share that a lot would. Beside each
    score stands the best that can be had without looking at the image, see `Blind`. Wrong texts with the very words of a
    right one are no answers and are left out.

    Records, `compositional/DATASET/SUBSET/METRIC`, by the form of the questions (see `concord.items.Item`):

    - accuracy: of "texts" and "images" (SugarCrepe, Hsieh et al. 2023; SVO-Probes, Hendricks and Nematzadeh 2021).
    - text_score, image_score, group_score: of "match" (Winoground, Thrush et al. 2022).
    - jaccard: of "set" (WinoGAViL, Bitton et al. 2022).
    - macro_METRIC, or group_METRIC: the mean over groups of items, or the share of groups whose items are all right.
    - text_only_accuracy: of questions with two right texts, whether these are closer to each other than to every wrong one
      (SugarCrepe++, Dumpala et al. 2024); by the angles of text vectors.
    - truncated: the share of questions with a text that the model cannot read to its end; where the model can tell, and only
      where there are any.

    Where some questions of a subset have the same words in all texts, in another order, these are a subset more,
    `SUBSET/same_words`: a bag of words can but tie. With several subsets, `mean_METRIC` is the mean over them. Subsets of
    further scorers begin with their name, such as `likelihood/`. Chance is exact for independent scores. Intervals draw
    units: what `unit` names, else the items' own, else the first image.

    Args:
        reader: the images and the questions.
        groups: what is made of the groups of the items, "mean" or "all"; None: nothing.
        smallest_group: groups with fewer questions are left out of macro_METRIC.
        excluded_groups: left out of macro_METRIC too; None takes the reader's own `excluded_groups`, if it has any.
        means: by name, the subsets (or means before it) that it is the mean of; each is a subset more, with mean_METRIC. Those that
            lack a subset are left out, with a warning.
        blind: the baselines; None takes those of `Blind` as they are.
        limit: at most so many questions, a random subset by the seed of the bench; with groups="all" whole groups.
        unit: see `Task`.
    """

    kind = "compositional"
    reader: ItemSet
    paper: ClassVar[Paper] = Paper(
        "SugarCrepe: Fixing Hackable Benchmarks for Vision-Language Compositionality",
        "Hsieh et al.",
        2023,
        "https://arxiv.org/abs/2306.14610",
    )

    def __init__(
        self,
        reader: ItemSet,
        groups: Groups | None = None,
        smallest_group: int = 1,
        excluded_groups: list[str] | None = None,
        means: dict[str, list[str]] | None = None,
        blind: Blind | None = None,
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        if groups not in (None, "mean", "all"):
            raise ValueError(f"groups must be mean, all or null, got {groups!r}")
        if smallest_group < 1:
            raise ValueError(f"smallest_group must be at least 1, got {smallest_group}")
        for name, members in (means or {}).items():
            if not members:
                raise ValueError(f"means.{name} must hold at least one subset, got none")
        self.groups = groups
        self.smallest_group = smallest_group
        self.excluded_groups = frozenset(getattr(reader, "excluded_groups", ()) if excluded_groups is None else excluded_groups)
        self.means = dict(means or {})
        self.blind = Blind() if blind is None else blind

    def settings(self) -> Mapping[str, Any]:
        excluded = blake2b(repr(sorted(self.excluded_groups)).encode(), digest_size=8).hexdigest()
        groups = [self.groups, self.smallest_group, excluded]
        return {**super().settings(), "groups": groups, "means": sorted(self.means.items())}

    def run(self, evaluation: Evaluation) -> Results:
        items = answerable(self.reader.name, self._drawn(evaluation))
        found = [self._measure(evaluation, evaluation.scorer, items, "")]
        found += [self._measure(evaluation, scorer, items, f"{name}/") for name, scorer in evaluation.others.items()]
        return merge(found)

    def _drawn(self, evaluation: Evaluation) -> list[Item]:
        items = list(self.reader.items)
        if self.limit is None or len(items) <= self.limit:
            return items
        clusters: dict[tuple[str, str], list[int]] = {}
        for place, item in enumerate(items):
            name = item.group if self.groups == "all" and item.group else f"/{place}"
            clusters.setdefault((item.subset, name), []).append(place)
        drawn: list[int] = []
        known = list(clusters.values())
        for number in evaluation.generator("subset", self.reader.name).permutation(len(known)):
            if len(drawn) + len(known[number]) <= self.limit:
                drawn += known[number]
        if not drawn:
            raise ConfigError(f"limit={self.limit} is less than the questions of any group of {self.reader.name}")
        return [items[place] for place in sorted(drawn)]

    def _measure(self, evaluation: Evaluation, scorer: Scorer, items: Sequence[Item], prefix: str) -> Results:
        questions = ask(evaluation, self.reader, items, scorer)
        texts = evaluation.texts(questions.texts, scorer)
        scores = score(evaluation, scorer, questions, texts)
        own = scorer if scorer is evaluation.scorer else None
        baselines = self.blind.answers(evaluation, questions, scores, texts, own)
        cut = truncated(scorer, questions)
        units = self._units(questions)
        found, tallies = [], {}
        for subset, places in questions.by_subset().items():
            some = [questions.items[place] for place in places]
            asked = Asked([item.key for item in some], units[places], questions.checksum)
            name = (prefix + subset).strip("/")
            tallies[subset] = tallies_of(some, [scores[place] for place in places], _at(baselines, places), asked)
            found.append(self._subset(evaluation, name, some, tallies[subset]))
            found += self._truncated(evaluation, name, [cut[place] for place in places] if cut else [], asked)
            if own is not None:
                found.append(self._text_only(evaluation, questions, subset, places, asked))
        found += self._means(evaluation, prefix, tallies)
        shown = gallery(evaluation, questions, scores) if own is not None else []
        return replace(merge(found), gallery=shown)

    def _units(self, questions: Questions) -> np.ndarray:
        pairs = [questions.examples.pairs[rows[0]] for rows in questions.rows]
        if self.unit is not None:
            return self.units(pairs)
        names = [item.unit or f"/{pair.key}" for item, pair in zip(questions.items, pairs, strict=True)]
        return np.unique(names, return_inverse=True)[1]

    def _subset(self, evaluation: Evaluation, subset: str, items: Sequence[Item], tallies: Mapping[str, Tally]) -> Results:
        same = [place for place, item in enumerate(items) if same_words(item)]
        found = []
        for metric, tally in tallies.items():
            found += [self._mean(evaluation, subset, metric, tally), *self._blind(evaluation, subset, metric, tally)]
            found += self._grouped(evaluation, subset, metric, items, tally)
            if 0 < len(same) < len(items):
                found.append(self._mean(evaluation, "/".join(filter(None, (subset, SAME_WORDS))), metric, tally.take(same)))
        return merge(found)

    def _mean(self, evaluation: Evaluation, subset: str, metric: str, tally: Tally) -> Results:
        columns = tally.columns()
        chance = columns.pop("chance")
        return self.share(evaluation, metric, tally.table[:, STRICT], chance, tally.asked, subset, **columns)

    def _blind(self, evaluation: Evaluation, subset: str, metric: str, tally: Tally) -> Iterator[Results]:
        if not self.blind.each:
            return
        name = metric.removesuffix("accuracy").rstrip("_")
        for place, baseline in enumerate(tally.baselines):
            values = tally.table[:, BLIND + place]
            if not np.isnan(values).any():
                title = "_".join(filter(None, (name, "blind", baseline)))
                yield self.share(evaluation, title, values, tally.columns()["chance"], tally.asked, subset)

    def _grouped(self, evaluation: Evaluation, subset: str, metric: str, items: Sequence[Item], tally: Tally) -> Iterator[Results]:
        if self.groups is None:
            return
        sizes = Counter(item.group for item in items if item.group)
        if self.groups == "mean":
            sizes = Counter({name: n for name, n in sizes.items() if n >= self.smallest_group and name not in self.excluded_groups})
        rows = [place for place, item in enumerate(items) if item.group in sizes]
        if not rows:
            return
        chosen, names = tally.take(rows), [items[place].group for place in rows]
        if self.groups == "all":
            yield self._mean(evaluation, subset, f"group_{metric}", chosen.together(names))
        else:
            yield self._mean_of_parts(evaluation, subset, f"macro_{metric}", chosen, alike(names))

    def _means(self, evaluation: Evaluation, prefix: str, tallies: Mapping[str, Mapping[str, Tally]]) -> Iterator[Results]:
        """Means over subsets: the named ones, and that over all."""
        means = {**self.means, "": list(tallies)} if len(tallies) > 1 else self.means
        shares = shares_of(means, list(tallies))
        if missing := [name for name in means if name not in shares]:
            log.warning("%s: means %s lack one of their subsets; there are %s", self.reader.name, ", ".join(missing), ", ".join(tallies))
        for name, own in shares.items():
            for metric in dict.fromkeys(metric for subset in own for metric in tallies[subset]):
                chosen = {subset: tallies[subset][metric] for subset in own if metric in tallies[subset]}
                if len(chosen) == len(own):
                    parts = Parts(np.repeat(np.arange(len(own)), [len(tally) for tally in chosen.values()]), np.array(list(own.values())))
                    subset = (prefix + name).strip("/")
                    yield self._mean_of_parts(evaluation, subset, f"mean_{metric}", joined(list(chosen.values())), parts)

    def _mean_of_parts(self, evaluation: Evaluation, subset: str, metric: str, tally: Tally, parts: Parts) -> Results:
        strict = tally.table[:, STRICT]
        value, interval = float(parts.means(tally.table)[STRICT]), None
        if evaluation.bootstrap:
            rng = evaluation.generator(self.kind, self.reader.name, subset, metric)
            units = np.unique(tally.asked.units, return_inverse=True)[1]
            samples = bootstrap(parts.mean_of(strict), len(tally), evaluation.bootstrap, rng, units)
            interval = share_interval(value, samples[:, 0], int(units.max()) + 1)
        columns = tally.columns(parts)
        chance = columns.pop("chance")
        return Results([self.record(evaluation, metric, value, chance, tally.asked, interval, subset, **columns)])

    def _truncated(self, evaluation: Evaluation, subset: str, cut: Sequence[bool], asked: Asked) -> Iterator[Results]:
        if any(cut):
            yield Results([self.record(evaluation, "truncated", float(np.mean(cut)), None, asked, None, subset)])

    def _text_only(self, evaluation: Evaluation, questions: Questions, subset: str, places: Sequence[int], asked: Asked) -> Results:
        texts = [questions.items[place].texts for place in places]
        if any(questions.items[place].form != "texts" or questions.items[place].right != 2 for place in places):
            return Results()
        verdicts = nearest_to_each_other(evaluation, texts)
        chance = float(np.mean([nearest_by_chance(len(own)) for own in texts]))
        strict, half, tied = np.array(verdicts, dtype=np.float64).T
        columns = {"half": float(half.mean()), "ties": int(tied.sum())}
        return self.share(evaluation, "text_only_accuracy", strict, chance, asked, subset, **columns)


def _at(baselines: Mapping[str, Sequence[BlindVerdicts]], places: Sequence[int]) -> dict[str, list[BlindVerdicts]]:
    return {name: [answers[place] for place in places] for name, answers in baselines.items()}
