"""Baselines that do not look: surface rules, language models, and what a model prefers before it looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from concord.benchmarks import Bench, Blind, Compositional, Record
from concord.benchmarks.compositional.blind.baselines import cross_fitted
from concord.benchmarks.compositional.blind.language_model import LanguageModel
from concord.benchmarks.compositional.blind.ngram import ADDED, WEIGHTS, NGram
from concord.benchmarks.compositional.blind.surface import RULES
from concord.errors import DataError
from concord.items import Item
from tests.benchmarks.benchmark_fakes import Collapsed, FakeReader, FakeScorer, Guessing, Table


class Test:
    __test__ = False

    def __init__(self, items: Sequence[Item], images: int) -> None:
        self.name = "fake"
        self.images = FakeReader([[]] * images)
        self.items = list(items)


def choices(pairs: Sequence[tuple[str, str]]) -> Test:
    return Test([Item(f"{n}", "texts", (n,), pair) for n, pair in enumerate(pairs)], len(pairs))


def measure(reader: Test, blind: Blind, scorer: FakeScorer | None = None) -> dict[str, Record]:
    bench = Bench({"c": Compositional(reader, blind=blind)})
    records = bench.run(Guessing() if scorer is None else scorer).records
    return {record.name.removeprefix("compositional/fake/"): record for record in records}


@pytest.mark.parametrize(
    ("rule", "winner", "loser"),
    [
        ("shorter", "a cat", "a lion"),
        ("fewer_words", "one elephant", "a b c"),
        ("no_period", "a cat", "a cat."),
        ("lower_case", "a cat.", "A cat"),
    ],
)
def test_surface_rules(rule: str, winner: str, loser: str) -> None:
    assert RULES[rule](winner) > RULES[rule](loser)
    assert RULES[rule](winner) == RULES[rule](f" {winner} ")


def test_the_best_baseline_stands_beside_the_score_and_a_tie_counts_half() -> None:
    reader = choices([("a cat", "a big cat"), ("a dog", "a big dog"), ("one two", "two one"), ("a very long text", "short")])
    records = measure(reader, Blind(bank=0, each=True))
    assert records["blind_shorter"].value == (1 + 1 + 0.5 + 0) / 4
    assert records["blind_no_period"].value == 0.5
    by_name = {name.removeprefix("blind_"): record.value for name, record in records.items() if name.startswith("blind_")}
    assert records["accuracy"].blind == max(by_name.values()) == by_name[records["accuracy"].blind_by]
    assert records["blind_shorter"].chance == 0.5
    assert "blind_shorter" not in measure(reader, Blind(bank=0))


def test_text_rules_say_nothing_about_images() -> None:
    items = [Item(f"{n}", "images", (n, (n + 1) % 4), ("text",)) for n in range(4)]
    record = measure(Test(items, 4), Blind(bank=0))["accuracy"]
    assert (record.blind, record.blind_by) == (None, "")


def test_the_probability_of_a_word_by_hand() -> None:
    model = NGram(["a cat", "a dog"])  # 6 words with the ends; vocabulary a, cat, dog, end, and one for the unknown
    single = (1 + ADDED) / (6 + ADDED * 5)
    bigram = WEIGHTS[1] / (WEIGHTS[1] + WEIGHTS[2])
    cat = WEIGHTS[0] * 1 / 2 + (1 - WEIGHTS[0]) * (bigram * 1 / 2 + (1 - bigram) * single)
    assert model._probability(["<s>", "<s>", "a", "cat"], 3) == pytest.approx(cat)


WORDS = st.lists(st.sampled_from(["a", "cat", "dog", "on", "under", "mat"]), min_size=1, max_size=6).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=8), st.lists(st.sampled_from(["a", "cat", "zebra", "<s>"]), min_size=2, max_size=2))
def test_probabilities_add_up_to_one(captions: list[str], history: list[str]) -> None:
    model = NGram(captions)
    seen = [gram[0] for gram in model.counts[0]]
    total = sum(model._probability([*history, word], 2) for word in [*seen, "never seen"])
    assert total == pytest.approx(1.0)


def test_a_language_of_its_own_prefers_its_sentences() -> None:
    model = NGram(["a cat on a mat", "a dog on a mat", "the cat on the dog"])
    assert model.log_probability("a cat on a mat") > model.log_probability("mat a on cat a")
    assert model.log_probability("a cat on a mat") > model.log_probability("a zebra on a mat")
    assert math.isfinite(model.log_probability(""))


def test_given_captions_and_caption_files_say_the_same(tmp_path: Path) -> None:
    captions = ["a cat on a mat", "a dog on a sofa", "a cat on a sofa"]
    (tmp_path / "captions.txt").write_text("\n".join([*captions, ""]), encoding="utf-8")
    reader = choices([("a cat on a mat", "mat a on cat a"), ("a dog on a sofa", "a sofa dog a on")])
    by_file = measure(reader, Blind(caption_file=tmp_path / "captions.txt", bank=0))["accuracy"]
    by_source = measure(reader, Blind(captions=FakeReader([captions[:2], captions[2:]]), bank=0))["accuracy"]
    assert (by_file.blind, by_file.blind_by) == (by_source.blind, by_source.blind_by) == (1.0, "ngram")


def test_cross_fitting_has_not_seen_what_it_judges() -> None:
    items = [Item(f"{n}", "texts", (n,), (f"right {n % 3}", f"wrong {n}")) for n in range(6)]
    models = cross_fitted(items, [0, 0, 0, 1, 1, 1])  # the same three right texts on both sides
    assert models == {}
    models = cross_fitted(items[:5], [0, 0, 1, 1, 1])  # right 0, right 1 | right 2, right 0, right 1
    assert models == {}
    models = cross_fitted(items[:3], [0, 0, 1])
    assert ("right", "2") in models[0].counts[1]
    assert ("right", "2") not in models[1].counts[1]
    assert not any("wrong" in gram for model in models.values() for gram in model.counts[2])


def test_the_cross_fitted_model_learns_how_a_test_writes() -> None:
    reader = choices([(f"a thing number {n} on the table", f"a number {n} thing the on table") for n in range(60)])
    record = measure(reader, Blind(bank=0))["accuracy"]
    assert (record.blind, record.blind_by) == (1.0, "ngram_cross_fitted")


class Preferring(FakeScorer):
    """Likes some texts and some pictures, whatever they are put beside; its own pair has a score that gives nothing away."""

    def value(self, image: int, text: str) -> float:
        return 0.5 if text.endswith(f" {image}") else float("nice" in text) + 0.01 * image


def test_the_text_prior_is_the_mean_over_other_images() -> None:
    reader = choices([(f"nice thing {n}", f"bad thing {n}") for n in range(6)])
    records = measure(reader, Blind(bank=32, each=True), Preferring())
    assert records["accuracy"].value == 0  # both texts of an image tie
    assert records["accuracy"].half == 0.5
    assert records["blind_text_prior"].value == 1
    few = measure(reader, Blind(bank=2, each=True), Preferring())
    assert few["blind_text_prior"].value == 1


def test_the_prior_equals_a_slow_recomputation() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random((7, 14))
    texts = [f"text {n}" for n in range(14)]
    reader = Test([Item(f"{n}", "texts", (n,), (texts[2 * n], texts[2 * n + 1])) for n in range(7)], 7)
    record = measure(reader, Blind(bank=32, each=True), Table(scores, texts))["blind_text_prior"]
    wins = []
    for n in range(7):
        others = np.delete(scores, n, axis=0).mean(axis=0)
        wins.append(others[2 * n] > others[2 * n + 1])
    assert record.value == np.mean(wins)


def test_the_image_prior_is_the_mean_over_other_texts() -> None:
    items = [Item(f"{n}", "images", (5 - n, n), (f"bad thing {n}",)) for n in range(3)]  # later pictures are liked better
    record = measure(Test(items, 6), Blind(bank=32), Preferring())["accuracy"]
    assert (record.blind, record.blind_by) == (1.0, "image_prior")


def test_a_collapsed_model_has_no_preference() -> None:
    reader = choices([(f"one {n}", f"two {n}") for n in range(6)])
    assert measure(reader, Blind(each=True), Collapsed())["blind_text_prior"].value == 0.5


def test_a_match_gives_nothing_to_who_sees_one_side() -> None:
    items = [Item(f"{n}", "match", (2 * n, 2 * n + 1), (f"short {n}", f"a longer one {n}")) for n in range(4)]
    record = measure(Test(items, 8), Blind(bank=0, each=True))["text_score"]
    assert record.blind == 0.25  # of rules that tie; one that decides would be wrong about one of the two images
    assert measure(Test(items, 8), Blind(bank=0, each=True))["text_score_blind_shorter"].value == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny causal language model with a word tokenizer, random weights."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["<s>", "<unk>", "a", "cat", "dog", "on", "mat"]
    plain = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    plain.pre_tokenizer = Whitespace()
    path = tmp_path_factory.mktemp("lm")
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain, bos_token="<s>", unk_token="<unk>").save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=len(words), n_positions=12, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    transformers.GPT2LMHeadModel(config).save_pretrained(path)
    return path


def test_the_likelihood_of_a_text_does_not_depend_on_its_neighbours(folder: Path) -> None:
    model = LanguageModel(folder)
    texts = ["a cat", "a dog on a mat", "a", "a cat on a mat on a cat on a mat on a cat on a mat"]
    together = model.log_likelihoods(texts)
    assert together == pytest.approx([model.log_likelihoods([text])[0] for text in texts], abs=1e-5)
    ids = torch.tensor([[0, 2, 3]])
    with torch.no_grad():
        logs = model.model(input_ids=ids).logits.double().log_softmax(dim=-1)
    assert together[0] == pytest.approx(float(logs[0, 0, 2] + logs[0, 1, 3]), abs=1e-5)


def test_a_language_model_is_a_baseline(folder: Path) -> None:
    pairs = [("a cat", "a dog"), ("a mat", "a cat on"), ("cat", "dog")]
    texts = [text for pair in pairs for text in pair]
    likelihood = dict(zip(texts, LanguageModel(folder).log_likelihoods(texts), strict=True))
    record = measure(choices(pairs), Blind(language_model=folder, bank=0, each=True))["blind_language_model"]
    assert record.value == np.mean([likelihood[right] > likelihood[wrong] for right, wrong in pairs])


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bank must be at least 0"):
        Blind(bank=-1)
    with pytest.raises(ValueError, match="must not be given together"):
        Blind(captions=FakeReader([["a"]]), caption_file=tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        measure(choices([("a", "b")]), Blind(caption_file=tmp_path / "none.txt"))
    with pytest.raises(DataError, match="no captions to learn from"):
        measure(choices([("a", "b")]), Blind(captions=FakeReader([[]])))
    with pytest.raises(DataError, match="no such folder"):
        LanguageModel(tmp_path / "none")
    with pytest.raises(DataError, match="holds no causal language model"):
        LanguageModel(tmp_path)
