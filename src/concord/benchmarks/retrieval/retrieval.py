"""Retrieval: finding the captions of an image, and the image of a caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np

from concord.benchmarks.evaluation import Evaluation, Examples, log
from concord.benchmarks.protocol import Reader, Tokenizing, Truncating
from concord.benchmarks.records import Record, Results, merge
from concord.benchmarks.retrieval.both_ways import IMAGE_TO_TEXT, TEXT_TO_IMAGE, Search, search
from concord.benchmarks.retrieval.captions import CONTROLS, Control, Variant, as_they_are, by_language, controlled
from concord.benchmarks.retrieval.gallery import gallery
from concord.benchmarks.retrieval.judged import judge
from concord.benchmarks.retrieval.measures import Group, Measure, all_places, first_places, precisions, recalls, report, report_means
from concord.benchmarks.retrieval.places import Floats, Places
from concord.benchmarks.retrieval.pool import Duplicates, Pool
from concord.benchmarks.task import Task
from concord.errors import DataError
from concord.relevance import Relevance
from concord.types import Paper

CUTS = (1, 5, 10)
DIRECTIONS = (IMAGE_TO_TEXT, TEXT_TO_IMAGE)
PORTION = 1024
"""Texts whose tokens are counted together."""

Match = Literal["caption", "label"]


class Retrieval(Task):
    """Recall at 1, 5 and 10 and much more, both ways, with any number of captions per image (Karpathy and Fei-Fei 2015).

    A query is a hit at k if any of its matches is among the k best: of an image, any of its captions; of a caption, its image.
    Wrong candidates that tie with a match rank before it; `half` is what a random order of those that tie would give. Scores of
    any sign will do. The search is exact and tile by tile, see `matching`.

    CLIP_benchmark counts likewise, but for two things. There ties go to either side; and a caption that several images share is
    right for one of them only, so that a model is punished for finding the others. `duplicates="separate"` counts the latter
    way: without ties, recalls are then the same to the last digit.

    Records, `retrieval/DATASET/[VARIANT/]{image_to_text,text_to_image}/METRIC`:

    - r1, r5, r10, median_rank, mrr: of the best match.
    - map_r, r_precision: of all matches, where most queries have several (Musgrave et al. 2020).
    - precision5, ...: with `precisions`.
    - mean_recall and rsum, without a direction: the mean and the sum of the six recalls, as fractions.
    - truncated, tokens_per_word, without a direction: the share of captions that the model does not read to their end, and how
      finely its tokenizer cuts words (between white space), where the model can tell.

    Variants: a language; `all_languages` and `all_but_en`, means over languages; a control; `folds_of_1000`, the mean over
    consecutive folds; the name of judgements, with r1, r5, r10, map_r, r_precision, and ndcg where these are graded.

    Intervals draw images (or units), each with all its captions; the candidates stay.

    Args:
        reader: pairs with captions.
        captions_per_image: the first so many captions of each image are searched for and with; None takes all.
        prefix: put before every caption, such as "a photo of ".
        by_language: whether captions are searched language by language; their roles are codes of languages.
        controls: what else is done to long captions: "first_sentence", "last_60_words", "shuffled_sentences".
        duplicates: captions with the same words are one text that fits all images that carry it ("shared"), or texts of their
            own, each of which fits its own image only ("separate").
        match: "caption": an image and its captions; "label": whatever shares the metadata `label` (CheXpert 5x200, Zhang et al.
            2020), captions fitting what their image fits.
        precisions: depths at which precision is taken; among fewer matches than that, their share that is found.
        folds_of: size of folds of neighbouring images in the order of the data set (COCO 1k: 1000); what remains behind the
            last whole fold is left out.
        relevance: by name, judgements that take the place of the pairs (ECCV Caption, Crisscrossed Captions).
        limit, unit: see `Task`.
    """

    kind = "retrieval"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "Deep Visual-Semantic Alignments for Generating Image Descriptions",
        "Karpathy and Fei-Fei",
        2015,
        "https://arxiv.org/abs/1412.2306",
    )

    def __init__(
        self,
        reader: Reader,
        captions_per_image: int | None = None,
        prefix: str = "",
        by_language: bool = False,
        controls: list[Control] | None = None,
        duplicates: Duplicates = "shared",
        match: Match = "caption",
        precisions: list[int] | None = None,
        folds_of: int | None = None,
        relevance: dict[str, Relevance] | None = None,
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        _check(captions_per_image, controls, duplicates, match, precisions, folds_of)
        if by_language and (controls or folds_of is not None or relevance):
            raise ValueError("by_language cannot be combined with controls, folds_of or relevance; set it to false")
        if folds_of is not None and limit is not None:
            raise ValueError("folds_of and limit cannot be given together; set one of them to null")
        self.captions_per_image = captions_per_image
        self.prefix = prefix
        self.by_language = by_language
        self.controls = list(controls or ())
        self.duplicates: Duplicates = duplicates
        self.match = match
        self.precisions = list(precisions or ())
        self.folds_of = folds_of
        self.relevance = dict(relevance or {})

    def settings(self) -> Mapping[str, Any]:
        judged = {name: blake2b(repr(relevance).encode(), digest_size=8).hexdigest() for name, relevance in self.relevance.items()}
        return {
            **super().settings(),
            "captions_per_image": self.captions_per_image,
            "prefix": self.prefix,
            "by_language": self.by_language,
            "controls": self.controls,
            "duplicates": self.duplicates,
            "match": self.match,
            "precisions": self.precisions,
            "folds_of": self.folds_of,
            "relevance": sorted(judged.items()),
        }

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader, self.limit)
        searches = [self._search(evaluation, examples, variant) for variant in self._variants(evaluation, examples)]
        found = [self._measured(evaluation, each) for each in searches]
        if self.by_language:
            found += self._languages(evaluation, searches)
        if self.folds_of is not None:
            found += self._folds(evaluation, searches[0], self.folds_of)
        found += [self._judged(evaluation, searches[0], name) for name in self.relevance]
        return replace(merge(found), gallery=gallery(evaluation, searches[0]))

    def _variants(self, evaluation: Evaluation, examples: Examples) -> list[Variant]:
        whole = as_they_are(examples.pairs)
        if len(whole.rows) < len(examples):
            log.warning("%s: %d images without a caption are left out", self.reader.name, len(examples) - len(whole.rows))
        if not self.by_language:
            return [whole, *(controlled(whole, control, evaluation.seed) for control in self.controls)]
        return by_language(examples.pairs, self.reader.name)

    def _search(self, evaluation: Evaluation, examples: Examples, variant: Variant) -> Search:
        if len(variant.rows) < 2:
            among = f" in {variant.name}" if variant.name else ""
            raise DataError(f"{self.reader.name}: retrieval needs at least 2 images with a caption{among}, got {len(variant.rows)}")
        own = examples.take(variant.rows)
        pool = Pool.of(variant.captions, self.captions_per_image, self.duplicates, self._labels(own) if self.match == "label" else None)
        texts = evaluation.texts([self.prefix + text for text in pool.texts])
        return search(evaluation, variant.name, own, pool, texts, self.units(own.pairs))

    def _labels(self, examples: Examples) -> list[Any]:
        for pair in examples.pairs:
            if "label" not in pair.metadata:
                raise DataError(f"{self.reader.name}, example {pair.key}: its metadata lacks label; set match to caption")
        return [pair.metadata["label"] for pair in examples.pairs]

    def _measured(self, evaluation: Evaluation, found: Search) -> Results:
        parts = [
            report(self, evaluation, self._measures(found.places[direction]), found.asked[direction], found.subset(direction))
            for direction in DIRECTIONS
        ]
        both = [_recalls(found, direction) for direction in DIRECTIONS]
        mean = report_means(self, evaluation, both, found.name, lambda means: {"mean_recall": float(means.mean())})
        return merge([*parts, mean, Results([_sum_of_six(mean.records[0])]), *self._tokens(evaluation, found)])

    def _measures(self, places: Places) -> list[Measure]:
        several = all_places(places) if np.median(places.matches) > 1 else []
        return [*recalls(places, CUTS), *first_places(places), *several, *precisions(places, self.precisions)]

    def _tokens(self, evaluation: Evaluation, found: Search) -> list[Results]:
        """What becomes of the captions in the tokenizer."""
        scorer, asked = evaluation.scorer, found.asked[TEXT_TO_IMAGE]
        texts = [self.prefix + text for text in found.pool.texts]
        parts = []
        if isinstance(scorer, Truncating):
            cut = _of_texts(evaluation, texts, scorer.truncated)[found.pool.text_of]
            parts.append(report(self, evaluation, [Measure("truncated", cut, None)], asked, found.name))
        if isinstance(scorer, Tokenizing):
            frame = scorer.text_lengths([""])[0]
            tokens = _of_texts(evaluation, texts, scorer.text_lengths)[found.pool.text_of] - frame
            words = np.array([len(text.split()) for text in texts])[found.pool.text_of]
            per_word = float(tokens.sum() / max(words.sum(), 1))
            parts.append(Results([self.record(evaluation, "tokens_per_word", per_word, None, asked, subset=found.name)]))
        return parts

    def _languages(self, evaluation: Evaluation, searches: Sequence[Search]) -> list[Results]:
        means = {"all_languages": searches, "all_but_en": [each for each in searches if each.name != "en"]}
        if len(means["all_but_en"]) in (0, len(searches)):
            del means["all_but_en"]
        return [
            report_means(self, evaluation, [_recalls(each, direction) for each in own], f"{name}/{direction}")
            for name, own in means.items()
            for direction in DIRECTIONS
        ]

    def _folds(self, evaluation: Evaluation, found: Search, size: int) -> list[Results]:
        whole = len(self.reader) // size
        edges = np.searchsorted(found.examples.indices, np.arange(whole + 1) * size).tolist()
        folds = [found.part(evaluation, *edge) for edge in pairwise(edges) if edge[1] - edge[0] > 1]
        if not folds:
            log.warning("%s: %d images are no fold of %d; there is no mean over folds", self.reader.name, len(self.reader), size)
            return []
        return [
            report_means(self, evaluation, [_recalls(fold, direction) for fold in folds], f"folds_of_{size}/{direction}")
            for direction in DIRECTIONS
        ]

    def _judged(self, evaluation: Evaluation, found: Search, name: str) -> Results:
        judged = judge(evaluation, found, self.relevance[name], name, self.captions_per_image)
        return merge(
            [
                report(self, evaluation, side.measures(CUTS), found.asked[direction].take(side.queries), f"{name}/{direction}")
                for direction, side in judged.items()
            ]
        )


def _recalls(found: Search, direction: str) -> Group:
    return found.asked[direction], recalls(found.places[direction], CUTS)


def _sum_of_six(mean: Record) -> Record:
    """From the mean of both directions' recalls at three cuts to their sum."""
    chance, low, high, half = (None if share is None else 6 * share for share in (mean.chance, mean.low, mean.high, mean.half))
    return replace(mean, metric="rsum", value=6 * mean.value, chance=chance, low=low, high=high, half=half)


def _of_texts(evaluation: Evaluation, texts: Sequence[str], count: Callable[[Sequence[str]], Sequence[float]]) -> Floats:
    """A number of each text, worked out on all processes."""
    parts = [texts[start : start + PORTION] for start in range(0, len(texts), PORTION)]
    return np.array([number for part in evaluation.ranks.spread(parts, count) for number in part], dtype=np.float64)


def _check(
    captions_per_image: int | None,
    controls: Sequence[str] | None,
    duplicates: str,
    match: str,
    precisions: Sequence[int] | None,
    folds_of: int | None,
) -> None:
    if captions_per_image is not None and captions_per_image < 1:
        raise ValueError(f"captions_per_image must be at least 1 or null, got {captions_per_image}")
    for control in controls or ():
        if control not in CONTROLS:
            raise ValueError(f"controls must be among {', '.join(CONTROLS)}, got {control!r}")
    if duplicates not in ("shared", "separate"):
        raise ValueError(f"duplicates must be shared or separate, got {duplicates!r}")
    if match not in ("caption", "label"):
        raise ValueError(f"match must be caption or label, got {match!r}")
    for depth in precisions or ():
        if depth < 1:
            raise ValueError(f"precisions must be at least 1, got {depth}")
    if folds_of is not None and folds_of < 2:
        raise ValueError(f"folds_of must be at least 2 or null, got {folds_of}")
