"""The right text or image against wrong ones, in all forms, with groups, means and blind baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from concord.benchmarks import Bench, Blind, Compositional, Record, Results
from concord.benchmarks.compositional.questions import WASTE
from concord.benchmarks.evaluation import Evaluation
from concord.data.benchmarks.compositional import NegativeCaptions
from concord.errors import ConfigError, DataError
from concord.items import Item
from concord.types import Embeddings
from tests.benchmarks.benchmark_fakes import Collapsed, FakeReader, FakeScorer, Guessing, Oracle, Table

RIGHT = [f"a small thing {i} above a large one" for i in range(400)]
NEGATIVES = [{"swap": [f"a large thing {i} above a small one"], "order": [f"{word} thing {i}" for word in "abc"]} for i in range(400)]


class Test:
    """Items in memory over pictures that carry their number."""

    __test__ = False

    def __init__(self, items: Sequence[Item], images: int, broken: Sequence[int] = ()) -> None:
        self.name = "fake"
        self.images = FakeReader([[]] * images, broken=broken)
        self.items = list(items)


def make_reader(right: list[str] = RIGHT, negatives: list[dict[str, list[str]]] = NEGATIVES) -> NegativeCaptions:
    return NegativeCaptions(FakeReader([[text] for text in right], [{"negatives": wrong} for wrong in negatives]))


def run(task: Compositional, scorer: FakeScorer, likelihood: FakeScorer | None = None) -> Results:
    return Bench({"compositional": task}).run(scorer, {} if likelihood is None else {"likelihood": likelihood})


def named(results: Results) -> dict[str, Record]:
    return {record.name.removeprefix("compositional/fake/"): record for record in results.records}


def measure(scorer: FakeScorer, reader: NegativeCaptions | Test | None = None, likelihood: FakeScorer | None = None) -> dict[str, Record]:
    return named(run(Compositional(make_reader() if reader is None else reader), scorer, likelihood))


def test_known_models() -> None:
    right = [[text] for text in RIGHT]
    names = ["swap/accuracy", "order/accuracy", "mean_accuracy"]
    assert {name: record.value for name, record in measure(Oracle(right)).items()} == dict.fromkeys(names, 1.0)
    assert {record.value for record in measure(Oracle(right, -3.0, -3.5)).values()} == {1.0}
    assert {record.value for record in measure(Oracle(right, 0.0, 1.0)).values()} == {0.0}
    collapsed = measure(Collapsed()).values()
    assert {record.value for record in collapsed} == {0.0}
    for record in collapsed:
        assert record.half == record.chance
        assert record.ties == record.n
        assert record.collapsed == 0


def test_a_guessing_model_is_at_chance_and_chance_follows_the_number_of_wrong_captions() -> None:
    records = measure(Guessing())
    chances = {name: record.chance for name, record in records.items()}
    assert chances == {"swap/accuracy": 1 / 2, "order/accuracy": 1 / 4, "mean_accuracy": 3 / 8}
    for record in records.values():
        assert record.n == (800 if record.metric == "mean_accuracy" else 400)
        assert record.units == 400
        assert record.low is not None
        assert record.high is not None
        assert record.chance is not None
        assert record.low <= record.chance <= record.high


def test_one_wrong_caption_that_ties_is_enough_to_lose() -> None:
    texts = ["right", "wrong", "worse"]
    reader = make_reader(["right"] * 3, [{"kind": ["wrong", "worse"]}] * 3)
    scores = np.array([[0.5, 0.4, 0.3], [0.5, 0.5, 0.3], [0.5, 0.3, 0.6]])
    record = measure(Table(scores, texts), reader)["kind/accuracy"]
    assert record.value == pytest.approx(1 / 3)
    assert record.half == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert record.ties == 1


def test_chance_averages_over_items_and_kinds_may_be_missing() -> None:
    reader = make_reader(["right"] * 3, [{"kind": ["x"]}, {"kind": ["x", "y", "z"], "other": []}, {}])
    records = measure(Oracle([["right"]] * 3), reader)
    assert list(records) == ["kind/accuracy"]
    assert records["kind/accuracy"].chance == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert records["kind/accuracy"].n == 2


def test_wrong_captions_with_the_words_of_the_right_one_are_no_question(caplog: pytest.LogCaptureFixture) -> None:
    reader = make_reader(["a b", "a b"], [{"kind": ["A  b"]}, {"kind": ["a b", "b a"]}])
    record = measure(Oracle([["a b"]] * 2), reader)["kind/accuracy"]
    assert (record.value, record.n, record.chance) == (1.0, 1, 0.5)
    assert "2 questions have wrong texts that are, word for word, right; 1 of them are left out" in caplog.text


def test_a_likelihood_adds_records_of_its_own() -> None:
    right = [[text] for text in RIGHT]
    records = measure(Collapsed(), likelihood=Oracle(right, -10.0, -12.0))
    assert {name: record.value for name, record in records.items()} == {
        "swap/accuracy": 0.0,
        "order/accuracy": 0.0,
        "mean_accuracy": 0.0,
        "likelihood/swap/accuracy": 1.0,
        "likelihood/order/accuracy": 1.0,
        "likelihood/mean_accuracy": 1.0,
    }


def test_a_data_set_without_questions_is_refused() -> None:
    with pytest.raises(DataError, match="no example has a caption and wrong captions"):
        measure(Guessing(), NegativeCaptions(FakeReader([["x"], []])))
    with pytest.raises(DataError, match="no question has all its images"):
        measure(Guessing(), Test([Item("a", "images", (0, 1), ("x",))], 2, broken=[0]))


ALL_FORMS = [
    *(Item(f"p{n}", "texts", (n,), (f"two {n}", f"pair {n}", f"foil {n}"), right=2, subset="paraphrase") for n in range(4)),
    *(Item(f"i{n}", "images", (n, (n + 1) % 4, (n + 2) % 4), (f"own {n}",), subset="choice") for n in range(4)),
    *(Item(f"m{n}", "match", (n, (n + 1) % 4), (f"own {n}", f"own {(n + 1) % 4}"), subset="match") for n in range(4)),
    *(Item(f"s{n}", "set", (n, (n + 1) % 4, (n + 2) % 4, (n + 3) % 4), (f"both {n}",), right=2, subset="set") for n in range(4)),
]
FITTING = [[f"two {n}", f"pair {n}", f"own {n}", f"both {n}", f"both {(n - 1) % 4}"] for n in range(4)]


@pytest.mark.parametrize(("high", "low"), [(1.0, 0.0), (-3.0, -4.0)])
def test_an_oracle_is_right_in_every_form(high: float, low: float) -> None:
    records = measure(Oracle(FITTING, high, low), Test(ALL_FORMS, 4))
    assert {name for name in records if name.startswith("match/")} == {"match/text_score", "match/image_score", "match/group_score"}
    scores = {name: record.value for name, record in records.items() if record.metric != "text_only_accuracy"}
    assert set(scores) >= {"paraphrase/accuracy", "choice/accuracy", "set/jaccard"}
    assert set(scores.values()) == {1.0}


def test_a_collapsed_model_gets_nothing_in_every_form_and_chance_by_lot() -> None:
    records = measure(Collapsed(), Test(ALL_FORMS, 4))
    del records["match/group_score"]  # by lot 1/16, of independent scores 1/6
    for record in records.values():
        assert record.value == 0
        assert record.half == pytest.approx(record.chance)
        assert record.collapsed == 0


def test_images_are_searched_by_texts_and_texts_by_images() -> None:
    scorer = Oracle(FITTING)
    measure(scorer, Test([item for item in ALL_FORMS if item.form == "texts"], 4))
    assert set(scorer.queries) == {"image"}
    scorer = Oracle(FITTING)
    measure(scorer, Test([item for item in ALL_FORMS if item.form in ("images", "set")], 4))
    assert set(scorer.queries) == {"text"}


def test_every_image_and_text_is_embedded_once_and_little_is_compared_that_is_not_asked() -> None:
    class Counting(Guessing):
        compared = 0

        def score(self, images: Embeddings, texts: Embeddings, query: str = "image") -> torch.Tensor:  # type: ignore[override]
            Counting.compared += len(images) * len(texts)
            return super().score(images, texts, query)  # type: ignore[arg-type]

    scorer = Counting()
    task = Compositional(make_reader(), blind=Blind(bank=0))
    run(task, scorer)
    assert scorer.images == 400
    assert scorer.texts == 400 * 5
    assert Counting.compared <= WASTE * 400 * (2 + 4)


def test_questions_about_broken_images_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    items = [Item(f"{n}", "images", (n, (n + 1) % 4), (f"own {n}",)) for n in range(4)]
    record = measure(Oracle(FITTING), Test(items, 4, broken=[1]))["accuracy"]
    assert (record.n, record.value) == (2, 1.0)
    assert "2 questions about images that cannot be read" in caplog.text


def grouped(groups: Sequence[str], right: Sequence[bool]) -> tuple[Test, Table]:
    """Choices between two texts, about an image each."""
    items = [Item(f"{n}", "texts", (n,), ("right", "wrong"), group=group) for n, group in enumerate(groups)]
    return Test(items, len(items)), Table(np.array([[float(hit), 0.5] for hit in right]), ["right", "wrong"])


def test_a_macro_accuracy_weighs_groups_alike_and_leaves_some_out() -> None:
    reader, scorer = grouped(["on", "on", "on", "on", "in", "in", "by", "of", "of", ""], [1, 1, 1, 0, 1, 0, 0, 0, 0, 1])
    records = named(run(Compositional(reader, groups="mean", smallest_group=2, excluded_groups=["of"]), scorer))
    assert records["accuracy"].value == 0.5
    macro = records["macro_accuracy"]
    assert (macro.value, macro.n, macro.chance) == ((3 / 4 + 1 / 2) / 2, 6, 0.5)
    assert macro.low is not None
    assert macro.low < macro.value


def test_the_readers_own_groups_are_excluded() -> None:
    reader, scorer = grouped(["on", "of"], [True, False])
    reader.excluded_groups = frozenset(["of"])  # type: ignore[attr-defined]
    assert named(run(Compositional(reader, groups="mean"), scorer))["macro_accuracy"].value == 1
    assert named(run(Compositional(reader, groups="mean", excluded_groups=[]), scorer))["macro_accuracy"].value == 0.5


def test_a_group_is_right_where_all_of_it_is() -> None:
    reader, scorer = grouped(["a", "a", "b", "b", "c", "c"], [1, 1, 1, 0, 0, 0])
    record = named(run(Compositional(reader, groups="all"), scorer))["group_accuracy"]
    assert (record.value, record.n, record.chance) == (pytest.approx(1 / 3), 3, 0.25)


def test_collapsed_groups_get_chance_by_lot() -> None:
    reader, _ = grouped(["a", "a", "b", "b"], [True] * 4)
    record = named(run(Compositional(reader, groups="all"), Collapsed()))["group_accuracy"]
    assert (record.value, record.half, record.chance) == (0.0, 0.25, 0.25)


def test_a_limit_keeps_groups_whole() -> None:
    reader, _ = grouped([f"{n // 4}" for n in range(40)], [True] * 40)
    task = Compositional(reader, groups="all", limit=18)
    records = named(run(task, Guessing()))
    assert (records["accuracy"].n, records["group_accuracy"].n) == (16, 4)
    assert named(run(task, Guessing())) == records
    assert named(run(Compositional(reader, limit=18), Guessing()))["accuracy"].n == 18
    with pytest.raises(ConfigError, match="limit=3 is less than"):
        run(Compositional(reader, groups="all", limit=3), Guessing())


def subsets(values: dict[str, Sequence[bool]]) -> tuple[Test, Table]:
    hits = [(subset, hit) for subset, own in values.items() for hit in own]
    items = [Item(f"{n}", "texts", (n,), ("right", "wrong"), subset=subset) for n, (subset, _) in enumerate(hits)]
    return Test(items, len(items)), Table(np.array([[float(hit), 0.5] for _, hit in hits]), ["right", "wrong"])


def test_means_of_subsets_and_of_means() -> None:
    reader, scorer = subsets({"add_a": [1, 0], "add_o": [1], "swap": [0, 0, 0, 1]})
    task = Compositional(reader, means={"add": ["add_a", "add_o"], "types": ["add", "swap"]})
    records = named(run(task, scorer))
    assert records["add/mean_accuracy"].value == pytest.approx(0.75)
    assert records["types/mean_accuracy"].value == pytest.approx((0.75 + 0.25) / 2)
    assert records["mean_accuracy"].value == pytest.approx((0.5 + 1 + 0.25) / 3)
    assert records["mean_accuracy"].n == 7


def test_a_mean_that_lacks_a_subset_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    reader, scorer = subsets({"add_a": [1, 0], "swap": [0, 1]})
    records = named(run(Compositional(reader, means={"x": ["add_a", "sub"], "y": ["x"], "z": ["swap"]}), scorer))
    assert [name for name in records if "mean" in name] == ["z/mean_accuracy", "mean_accuracy"]
    assert "means x, y lack one of their subsets; there are add_a, swap" in caplog.text


def test_a_likelihood_of_a_test_without_subsets_has_a_tidy_name() -> None:
    reader, scorer = grouped(["", ""], [True, False])
    assert list(measure(scorer, reader, likelihood=scorer)) == ["accuracy", "likelihood/accuracy"]


def test_intervals_draw_units() -> None:
    items = [Item(f"{n}", "texts", (n,), ("right", "wrong"), unit=f"{n // 10}") for n in range(100)]
    scorer = Table(np.array([[float(n // 10 % 2), 0.5] for n in range(100)]), ["right", "wrong"])
    record = measure(scorer, Test(items, 100))["accuracy"]
    assert record.units == 10
    assert record.low is not None
    assert record.high is not None
    assert record.high - record.low > 0.4  # of 100 independent ones it would be 0.2


def test_a_subset_of_several_forms_is_refused() -> None:
    items = [Item("a", "texts", (0,), ("x", "y")), Item("b", "match", (0, 1), ("x", "y"))]
    with pytest.raises(DataError, match="mixes questions of the forms match, texts"):
        measure(Guessing(), Test(items, 2))


class Bag(FakeScorer):
    """A text is the mean of its words: their order is nothing to it."""

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        rows = []
        for text in texts:
            words = [np.random.default_rng(sum(map(ord, word))).standard_normal(8) for word in sorted(text.split())]
            rows.append(np.mean(words, axis=0))
        return Embeddings(F.normalize(torch.tensor(np.array(rows), dtype=torch.float32), dim=-1))

    def score(self, images: Embeddings, texts: Embeddings, query: str = "image") -> torch.Tensor:  # type: ignore[override]
        picture = F.normalize(torch.randn(len(images), 8, generator=torch.Generator().manual_seed(0)), dim=-1)
        return picture @ texts.vectors.T


def test_a_bag_of_words_ties_where_the_words_are_the_same() -> None:
    items = [Item("a", "texts", (0,), ("a cat on a mat", "a mat on a cat")), Item("b", "texts", (1,), ("a cat", "a dog"))]
    record = measure(Bag(), Test(items, 2))["same_words/accuracy"]
    assert (record.value, record.half, record.ties, record.n) == (0.0, 0.5, 1, 1)


def test_two_paraphrases_must_be_closer_to_each_other_than_to_the_foil() -> None:
    near = Item("a", "texts", (0,), ("x y z", "z y x", "u v w"), right=2)
    far = Item("b", "texts", (0,), ("x y z", "u v w", "w u v"), right=2)
    record = measure(Bag(), Test([near, far], 1))["text_only_accuracy"]
    assert (record.value, record.n, record.chance) == (0.5, 2, pytest.approx(1 / 3))


class Short(Collapsed):
    """Reads the first three words."""

    def value(self, image: int, text: str) -> float:
        return float(sum(map(ord, " ".join(text.split()[:3]))) % 97)

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        return [len(text.split()) > 3 for text in texts]


def test_texts_that_differ_beyond_the_end_tie_and_are_counted_as_truncated() -> None:
    items = [Item("a", "texts", (0,), ("one two three four", "one two three five")), Item("b", "texts", (0,), ("a", "b"))]
    records = measure(Short(), Test(items, 1))
    assert records["accuracy"].ties == 1
    assert records["truncated"].value == 0.5
    assert records["truncated"].chance is None


def test_the_gallery_shows_wrong_and_right_answers_with_their_scores() -> None:
    reader, scorer = subsets({"kind": [0] * 30 + [1] * 30})
    shown = run(Compositional(reader), scorer).gallery
    assert len(shown) == 16
    assert [item.top[0].correct for item in shown].count(False) == 8
    assert shown[0].task == "compositional"
    assert shown[0].dataset == "fake/kind"
    assert shown[0].truth == ["right"]
    assert [answer.score for answer in shown[0].top] == [0.5, 0.0]


def test_the_gallery_shows_every_form() -> None:
    shown = run(Compositional(Test(ALL_FORMS, 4)), Oracle(FITTING)).gallery
    assert {item.image is None for item in shown} == {True, False}
    assert all(item.top[0].correct for item in shown)


def test_settings_change_the_protocol() -> None:
    reader, scorer = grouped(["a", "b"], [True, False])
    tasks = [Compositional(reader), Compositional(reader, groups="mean"), Compositional(reader, groups="mean", excluded_groups=["a"])]
    assert len({named(run(task, scorer))["accuracy"].protocol for task in tasks}) == 3


def test_the_checksum_follows_the_questions() -> None:
    first, scorer = grouped(["a", "b"], [True, False])
    second, _ = grouped(["a", "c"], [True, False])
    assert measure(scorer, first)["accuracy"].data != measure(scorer, second)["accuracy"].data


def test_wrong_arguments_are_refused() -> None:
    reader, _ = grouped(["a"], [True])
    with pytest.raises(ValueError, match="groups must be mean, all or null"):
        Compositional(reader, groups="each")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"means.x must hold at least one subset"):
        Compositional(reader, means={"x": []})
    with pytest.raises(ValueError, match="smallest_group must be at least 1"):
        Compositional(reader, smallest_group=0)


def test_numbers_equal_a_recomputation_in_double_precision() -> None:
    """Real vectors, tie-free: text_acc, image_acc and acc as CLIP_benchmark's caption selection defines them."""
    rng = np.random.default_rng(5)
    images, texts = rng.standard_normal((60, 16)), rng.standard_normal((60, 16))
    images, texts = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (images, 0.4 * images + texts))
    names = [f"text {n}" for n in range(60)]

    class Vectors(FakeScorer):
        def embed_images(self, pictures: Sequence[object]) -> Embeddings:  # type: ignore[override]
            numbers = super().embed_images(pictures).vectors[:, 0].long()  # type: ignore[arg-type]
            return Embeddings(torch.tensor(images, dtype=torch.float32)[numbers])

        def embed_texts(self, asked: Sequence[str]) -> Embeddings:
            return Embeddings(torch.tensor(texts, dtype=torch.float32)[[names.index(text) for text in asked]])

        def score(self, some: Embeddings, other: Embeddings, query: str = "image") -> torch.Tensor:  # type: ignore[override]
            return some.vectors @ other.vectors.T

    items = [Item(f"{n}", "match", (n, n + 1), (names[n], names[n + 1])) for n in range(0, 60, 2)]
    records = measure(Vectors(), Test(items, 60))
    blocks = [images[n : n + 2] @ texts[n : n + 2].T for n in range(0, 60, 2)]
    text = [(block.argmax(axis=1) == [0, 1]).all() for block in blocks]
    image = [(block.argmax(axis=0) == [0, 1]).all() for block in blocks]
    assert records["text_score"].value == np.mean(text)
    assert records["image_score"].value == np.mean(image)
    assert records["group_score"].value == np.mean(np.array(text) & np.array(image))
    assert 0 < records["group_score"].value < 1


def test_answers_are_kept_question_by_question() -> None:
    reader, scorer = grouped(["a", "a", "b"], [True, False, True])
    results = Compositional(reader, groups="all").run(Evaluation(scorer))
    answers = {answer.name: answer for answer in results.answers}
    assert answers["compositional/fake/accuracy"].values.tolist() == [1, 0, 1]
    assert list(answers["compositional/fake/group_accuracy"].keys) == ["a", "b"]
