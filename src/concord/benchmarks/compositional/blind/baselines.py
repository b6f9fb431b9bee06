"""Answering a compositional test without its images: how much of a score needs no eyes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from concord.benchmarks.compositional.blind.language_model import LanguageModel
from concord.benchmarks.compositional.blind.ngram import NGram
from concord.benchmarks.compositional.blind.prior import Prior
from concord.benchmarks.compositional.blind.surface import RULES
from concord.benchmarks.compositional.forms import Scores, Verdict, judge
from concord.benchmarks.compositional.questions import Questions
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Reader, Scorer
from concord.benchmarks.texts import normalized
from concord.errors import DataError
from concord.items import Item
from concord.types import Embeddings

FOLDS = 5
PART = 256
"""Texts that one process gives to the language model at a time."""

Answers = list[list[Verdict] | None]
"""By question what a baseline got, by metric; None where it has nothing to say."""


class Blind:
    """Baselines that choose among texts without the image, or among images without the text. A tie counts half.

    - shorter, fewer_words, no_period, lower_case: how the text is written.
    - ngram: a trigram model of given captions; the text whose words are likelier on average wins.
    - ngram_cross_fitted: without given captions, the same model of the test's own right texts, in 5 parts: it judges each
      part by the others, and has seen neither the part's images nor any of its texts. It has learned how this test writes
      right texts, which no model of other captions could know.
    - language_model: the likelier text by a model of Hugging Face (`concord.benchmarks.compositional.blind.language_model`).
    - text_prior, image_prior: the candidate that the measured model finds fitting for a random few other images, or texts,
      of the test (Lin et al. 2024). These see images, but not that of the question.

    Args:
        captions: a data set whose captions the n-gram model learns.
        caption_file: a text file for the same purpose, one caption a line.
        language_model: a local folder with a causal language model and its tokenizer (extra hf).
        bank: images, or texts, behind the priors; 0 leaves them out. They cost so many scores per text.
        each: also record each baseline by itself, as blind_NAME.
    """

    def __init__(
        self,
        captions: Reader | None = None,
        caption_file: Path | None = None,
        language_model: Path | None = None,
        bank: int = 32,
        each: bool = False,
    ) -> None:
        if captions is not None and caption_file is not None:
            raise ValueError("captions and caption_file must not be given together")
        if bank < 0:
            raise ValueError(f"bank must be at least 0, got {bank}")
        self.captions = captions
        self.caption_file = caption_file
        self.language_model = language_model
        self.bank = bank
        self.each = each
        self._judged: tuple[str, dict[str, Answers]] = ("", {})
        self._given: NGram | None = None

    def answers(
        self, evaluation: Evaluation, questions: Questions, scores: Sequence[Scores], texts: Embeddings, scorer: Scorer | None
    ) -> dict[str, Answers]:
        """By baseline, the outcome of every question; those that look at texts alone are kept for the next model.

        Args:
            scores, texts: of the measured model, see `concord.benchmarks.compositional.questions`.
            scorer: the measured model; None leaves its priors out.
        """
        if self._judged[0] != questions.checksum:
            self._judged = (questions.checksum, self._by_texts(evaluation, questions))
        found = dict(self._judged[1])
        if scorer is not None and self.bank:
            found |= Prior(evaluation, questions, texts, scorer, self.bank).answers(scores)
        return found

    def _by_texts(self, evaluation: Evaluation, questions: Questions) -> dict[str, Answers]:
        found = {name: _answers(questions, lambda _, text, rule=rule: rule(text)) for name, rule in RULES.items()}  # type: ignore[misc]
        if self.captions is not None or self.caption_file is not None:
            found["ngram"] = _answers(questions, lambda _, text: self._given_model().log_probability(text))
        elif models := cross_fitted(questions.items, _parts(questions)):
            part_of = _parts(questions)
            found["ngram_cross_fitted"] = _answers(questions, lambda place, text: models[part_of[place]].log_probability(text))
        if self.language_model is not None:
            likelihood = dict(zip(questions.texts, self._likelihoods(evaluation, questions.texts), strict=True))
            found["language_model"] = _answers(questions, lambda _, text: likelihood[text])
        return found

    def _given_model(self) -> NGram:
        if self._given is None:
            captions = _lines(self.caption_file) if self.caption_file is not None else _captions(self.captions)
            if not captions:
                raise DataError("blind: there are no captions to learn from")
            self._given = NGram(captions)
        return self._given

    def _likelihoods(self, evaluation: Evaluation, texts: Sequence[str]) -> list[float]:
        assert self.language_model is not None
        model = LanguageModel(self.language_model, "cuda" if torch.cuda.is_available() else "cpu")
        parts = [texts[start : start + PART] for start in range(0, len(texts), PART)]
        return [value for part in evaluation.ranks.spread(parts, model.log_likelihoods) for value in part]


def cross_fitted(items: Sequence[Item], part_of: Sequence[int]) -> dict[int, NGram]:
    """By part, a model of the right texts of the other parts that do not stand in it; nothing where some part has no others.

    Args:
        items: [n] questions.
        part_of: [n] their parts.
    """
    right: dict[int, set[str]] = {part: set() for part in part_of}
    present: dict[int, set[str]] = {part: set() for part in part_of}
    for item, part in zip(items, part_of, strict=True):
        right[part] |= {normalized(text) for text in item.texts[: item.right if item.form == "texts" else None]}
        present[part] |= {normalized(text) for text in item.texts}
    others = {
        part: sorted(set().union(*(texts for other, texts in right.items() if other != part)) - present[part]) for part in sorted(right)
    }
    return {part: NGram(captions) for part, captions in others.items()} if all(others.values()) else {}


def _parts(questions: Questions) -> list[int]:
    """By question its part: that of its unit, or its first image."""
    pairs = questions.examples.pairs
    names = [item.unit or pairs[rows[0]].key for item, rows in zip(questions.items, questions.rows, strict=True)]
    return [zlib.crc32(name.encode("utf-8", "backslashreplace")) % FOLDS for name in names]


def _answers(questions: Questions, score: Callable[[int, str], float]) -> Answers:
    """The outcomes for a score of a text, which may depend on the place of the question; none where images are chosen."""
    found: Answers = []
    for place, item in enumerate(questions.items):
        if item.form in ("images", "set"):
            found.append(None)
            continue
        rows = [[score(place, text) for text in item.texts]] * len(item.images)
        found.append(judge(item, Scores(rows, rows)))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.expanduser().read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"blind.caption_file: {path} cannot be read ({type(error).__name__})") from None


def _captions(reader: Reader | None) -> list[str]:
    """The captions of all examples, without reading the images where the data set can tell them so."""
    found: list[str] = []
    assert reader is not None
    for index in range(len(reader)):
        try:
            found += reader.captions(index) if hasattr(reader, "key") and hasattr(reader, "captions") else reader[index].captions
        except DataError:
            continue
    return found
