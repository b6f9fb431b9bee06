from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.config import build
from concord.data import WebDataModule
from concord.data.source import BadSample, Source
from concord.data.views.policy import CaptionChoice, CaptionPolicy, require_roles
from concord.errors import ConfigError
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import Caption, Pair, TextView
from tests.composing import compose_config

ROLES = ["", "original", "rewrite", "synthetic", "long", "de"]
CAPTIONS = st.lists(st.sampled_from(ROLES), min_size=1, max_size=9).map(
    lambda roles: tuple(Caption(f"caption {number}", role) if role else f"caption {number}" for number, role in enumerate(roles))
)
POLICIES = st.sampled_from(["first", "random", "all"]) | st.dictionaries(
    st.sampled_from(ROLES[1:]), st.floats(0.01, 100), min_size=1, max_size=4
)
LACLIP = ("own words", *(Caption(f"other words {number}", "rewrite") for number in range(4)))


class Texts:
    """A source of captions alone."""

    name = "texts"

    def __init__(self, *captions: tuple[str, ...]) -> None:
        self.all = captions

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Pair:
        return Pair(b"", self.all[index], str(index), self.name)


def shares(policy: CaptionPolicy, captions: tuple[str, ...], visits: int = 2000) -> dict[str, float]:
    """How often each caption is read, over epochs and examples."""
    choose = CaptionChoice(policy, 3)
    counts = Counter(captions[choose(captions, visit % 7, visit)] for visit in range(visits))
    return {caption: count / visits for caption, count in counts.items()}


def assert_near(measured: dict[str, float], expected: dict[str, float], visits: int = 2000) -> None:
    """Pearson's statistic of drawn against expected shares is one that chance exceeds once in a million."""
    assert set(measured) == set(expected)
    statistic = sum(visits * (measured[name] - share) ** 2 / share for name, share in expected.items())
    freedom = len(expected) - 1
    # The bound of Laurent and Massart (2000) on the tail of a chi-square variable, at exp(-x) = 1e-6.
    x = math.log(1e6)
    assert statistic < freedom + 2 * math.sqrt(freedom * x) + 2 * x


@settings(deadline=None)
@given(CAPTIONS, POLICIES, st.integers(0, 50), st.integers(0, 10**9), st.integers(0, 3), st.integers(1, 12))
def test_a_choice_is_pure_and_keeps_to_the_policy(
    captions: tuple[str, ...], policy: CaptionPolicy, epoch: int, index: int, seed: int, count: int
) -> None:
    try:
        chosen = CaptionChoice(policy, seed)(captions, epoch, index)
    except BadSample:
        assert isinstance(policy, dict)
        assert not {getattr(caption, "role", "original") for caption in captions} & set(policy)
        return
    assert chosen == CaptionChoice(policy, seed)(tuple(captions), epoch, index)
    several = CaptionChoice(policy, seed).several(captions, chosen, count)
    assert several[0] == chosen
    assert len(several) == count
    if isinstance(policy, dict):
        assert all(getattr(captions[position], "role", "original") in policy for position in several)
    else:
        assert len(set(several)) == min(count, len(captions))


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 10**6), st.integers(0, 100), st.integers(0, 5))
def test_all_reads_every_caption_once_in_as_many_visits(number: int, index: int, first: int, seed: int) -> None:
    choose = CaptionChoice("all", seed)
    captions = [str(caption) for caption in range(number)]
    assert sorted(choose(captions, epoch, index) for epoch in range(first, first + number)) == list(range(number))


def test_all_begins_anywhere() -> None:
    starts = Counter(CaptionChoice("all")(LACLIP, 0, index) for index in range(2000))
    assert_near({str(start): count / 2000 for start, count in starts.items()}, {str(start): 0.2 for start in range(5)})


def test_first_and_random() -> None:
    assert shares("first", LACLIP) == {"own words": 1.0}
    assert_near(shares("random", LACLIP), {str(caption): 0.2 for caption in LACLIP})


def test_roles_are_drawn_by_weight_and_captions_of_a_role_alike() -> None:
    captions = ("plain", Caption("a", "synthetic"), Caption("b", "synthetic"), Caption("c", "long"))
    assert_near(shares({"original": 0.3, "synthetic": 0.7}, captions), {"plain": 0.3, "a": 0.35, "b": 0.35})
    assert_near(shares({"original": 3, "synthetic": 6, "long": 1}, captions), {"plain": 0.3, "a": 0.3, "b": 0.3, "c": 0.1})


def test_weights_are_shared_out_among_the_roles_that_an_example_has() -> None:
    assert_near(shares({"original": 1, "rewrite": 4, "long": 5}, LACLIP), {str(caption): 0.2 for caption in LACLIP})
    assert shares({"synthetic": 0.1, "original": 0.001}, ("plain",)) == {"plain": 1.0}


def test_the_order_in_which_roles_are_written_changes_nothing() -> None:
    one, other = CaptionChoice({"original": 1, "rewrite": 2}), CaptionChoice({"rewrite": 2, "original": 1})
    assert [one(LACLIP, 0, index) for index in range(50)] == [other(LACLIP, 0, index) for index in range(50)]


def test_an_example_without_a_wanted_role_is_bad() -> None:
    choose = CaptionChoice({"synthetic": 1.0})
    with pytest.raises(BadSample, match=r"k: no caption of a role in data.caption_policy \(it has original, rewrite\)") as error:
        choose(LACLIP, 0, 7, "k")
    assert error.value.cause == "no caption of a role in data.caption_policy"
    with pytest.raises(BadSample, match="example 7"):
        choose(LACLIP, 0, 7)


@pytest.mark.parametrize("weight", [0, -1.0, math.inf, math.nan])
def test_weights_are_numbers_above_0(weight: float) -> None:
    with pytest.raises(ConfigError, match=r"data.caption_policy.long must be a number above 0, got"):
        CaptionChoice({"original": 1.0, "long": weight})


def test_no_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="holds no role"):
        CaptionChoice({})


def test_roles_that_no_example_has_are_refused_at_the_start() -> None:
    source: Source = Texts(("plain",), (), (Caption("x", "synthetic"),))
    require_roles(source, {"original": 0.3, "synthetic": 0.7}, "data.caption_policy")
    require_roles(source, (), "data.caption_policy")
    message = r"data.caption_policy: none of 3 examples of texts has a caption of role 'synthetc'; did you mean synthetic\?"
    with pytest.raises(ConfigError, match=message):
        require_roles(source, {"original": 0.3, "synthetc": 0.7}, "data.caption_policy")


def test_every_part_of_a_mixture_is_looked_at_for_roles() -> None:
    class Several(Texts):
        def __init__(self) -> None:
            self.sources = {"large": Texts(*[("plain",)] * 5000), "small": Texts((Caption("x", "long"),))}

    require_roles(Several(), ("original", "long"), "data.caption_policy")


def test_the_data_module_refuses_a_role_before_training(tokenizer: BPETokenizer, preprocess: Preprocess) -> None:
    source = Texts(("plain",), (Caption("x", "synthetic"),))
    for policy in ({"original": 1.0, "synthetic": 1.0}, "all"):
        WebDataModule(source, {}, 1, caption_policy=policy).setup_views({}, {"caption": TextView("caption")}, tokenizer, preprocess)
    with pytest.raises(ConfigError, match=r"data\.caption_policy: none of 2 examples of texts has a caption of role 'long'"):
        WebDataModule(source, {}, 1, caption_policy={"long": 1.0}).setup_views({}, {}, tokenizer, preprocess)


def test_weights_come_from_the_command_line() -> None:
    node = compose_config("data=shapes", "data.source.size=300", "data.caption_policy={original:0.3,synthetic:0.7}")["data"]
    assert build(node, "data").caption_policy == {"original": 0.3, "synthetic": 0.7}
    with pytest.raises(ConfigError, match=r"data\.caption_policy: expected one of first, random, all or .*, got 'any'"):
        build({**node, "caption_policy": "any"}, "data")
