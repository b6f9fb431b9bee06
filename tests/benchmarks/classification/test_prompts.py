"""The texts of classes: templates, names, sentences, and files that hold anything."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord import vocabularies
from concord.benchmarks.classification.prompts import descriptions_of, names_of, prompts_of, templates_of, wording_of
from concord.errors import ConfigError
from tests.benchmarks.benchmark_fakes import FakeReader

NAMES = ["tench", "orange ring"]
SENTENCES = {"tench": ["a fish of still waters.", "it is green."], "orange ring": ["round and hollow."]}


def reader(**attributes: object) -> FakeReader:
    made = FakeReader([["x"]], class_names=NAMES)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def test_the_article_follows_the_name() -> None:
    assert prompts_of(["orange ring", "red ring"], ["{a} {}", "a small {}"]) == [
        ["an orange ring", "a small orange ring"],
        ["a red ring", "a small red ring"],
    ]


def test_braces_in_a_name_are_no_placeholders() -> None:
    assert prompts_of(["{a} {}"], ["the {}"]) == [["the {a} {}"]]


def test_several_names_of_a_class_are_off_unless_a_separator_is_given() -> None:
    names = ["crane, bird", "crane"]
    assert prompts_of(names, ["a {}"]) == [["a crane, bird"], ["a crane"]]
    assert prompts_of(names, ["a {}", "the {}"], ",") == [["a crane", "the crane", "a bird", "the bird"], ["a crane", "the crane"]]
    assert prompts_of([""], ["{} shapes"], ",") == [[" shapes"]]
    with pytest.raises(ConfigError, match="synonyms must be null"):
        wording_of(reader(), templates=["{}"], synonyms="")


def test_templates_come_from_a_list_a_set_or_the_reader() -> None:
    assert templates_of(["the {}"]) == ("the {}",)
    assert templates_of("imagenet1k") == vocabularies.templates("imagenet1k")
    assert templates_of(None, reader(templates=["my {}"])) == ("my {}",)


def test_a_reader_without_templates_gets_the_default_with_a_message(caplog: pytest.LogCaptureFixture) -> None:
    assert templates_of(None, reader()) == ("a photo of a {}",)
    assert "fake has no templates of its own" in caplog.text


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("shape", "there is no set shape; did you mean shapes"),
        ([], "at least one template"),
        (["a photo of a {c}"], "lacks the placeholder {}"),
        ("none.txt", "there is no file none.txt"),
    ],
)
def test_templates_are_checked(templates: str | list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        templates_of(templates)


def test_files_may_have_either_placeholder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a photo of a {c}.\r\nart of {}\n\n")
    assert templates_of(str(tmp_path / "a.txt")) == ("a photo of a {}.", "art of {}")
    (tmp_path / "a.json").write_text(json.dumps({"fake": ["one {c}"], "other": ["two {c}"]}))
    assert templates_of(str(tmp_path / "a.json"), reader()) == ("one {}",)
    with pytest.raises(ConfigError, match="has nothing for shapes, only for fake, other"):
        templates_of(str(tmp_path / "a.json"), FakeReader([["x"]], name="shapes"))
    (tmp_path / "b.txt").write_text("a photo of a dog\n")
    with pytest.raises(ConfigError, match="'a photo of a dog' lacks the placeholder"):
        templates_of(str(tmp_path / "b.txt"))


def test_class_names_come_from_a_list_a_set_a_file_or_the_reader(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("one\n\nthree, or 3\n")
    assert names_of(str(tmp_path / "names.txt"), reader()) == ("one", "", "three, or 3")
    (tmp_path / "names.json").write_text('["one", "two"]')
    assert names_of(str(tmp_path / "names.json"), reader()) == ("one", "two")
    assert names_of("pcam", reader()) == ("lymph node", "lymph node containing metastatic tumor tissue")
    assert names_of(None, reader()) == tuple(NAMES)
    with pytest.raises(ConfigError, match="class_names must be given: fake has none"):
        names_of(None, FakeReader([["x"]]))


def test_descriptions_stand_alone_or_beside_templates(tmp_path: Path) -> None:
    assert wording_of(reader(), descriptions=SENTENCES).prompts() == [SENTENCES["tench"], SENTENCES["orange ring"]]
    both = wording_of(reader(), templates=["a {}"], descriptions=SENTENCES).prompts()
    assert both == [["a tench", *SENTENCES["tench"]], ["a orange ring", *SENTENCES["orange ring"]]]
    for content in (SENTENCES, {"fake": SENTENCES, "other": {}}, {"imagenet1k": SENTENCES}):
        (tmp_path / "cupl.json").write_text(json.dumps(content))
        assert descriptions_of(str(tmp_path / "cupl.json"), NAMES, "fake") == tuple(tuple(SENTENCES[name]) for name in NAMES)


@pytest.mark.parametrize(
    ("descriptions", "message"),
    [
        ({"tench": ["a fish"]}, "class 'orange ring' needs a list of sentences, got None"),
        ({"tench": [], "orange ring": ["round"]}, "class 'tench' needs a list"),
        ({"tench": "a fish", "orange ring": ["round"]}, "class 'tench' needs a list"),
        ({"tench": [1], "orange ring": ["round"]}, "sentences that are not text"),
    ],
)
def test_a_class_without_sentences_is_named(descriptions: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        descriptions_of(descriptions, NAMES)


def test_classes_of_one_name_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    wording_of(reader(), ["missile", "dog", "missile"], ["{}"])
    assert "classes 0 and 2 are both called 'missile'; they tie" in caplog.text


def test_settings_follow_the_words() -> None:
    def of(**words: object) -> dict:
        return wording_of(reader(), **{"templates": ["{}"], **words}).settings()  # type: ignore[arg-type]

    assert of() == of()
    others = [of(templates=["a {}"]), of(class_names=["a", "b"]), of(synonyms=","), of(descriptions=SENTENCES)]
    assert len({str(words) for words in [of(), *others]}) == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(string.printable, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["fake", "tench", "x"]), inner, max_size=3),
    max_leaves=8,
)
WILD = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def texts_of(read: Callable[[], list[str]]) -> list[str]:
    """What is read; nothing where one line says why."""
    try:
        return read()
    except ConfigError as error:
        line = str(error)
    assert "\n" not in line
    return []


@WILD
@given(document=JSON)
def test_any_json_gives_sentences_and_templates_or_one_line_of_error(tmp_path: Path, document: object) -> None:
    path = tmp_path / "wild.json"
    path.write_text(json.dumps(document))
    for read in (
        lambda: [text for group in descriptions_of(str(path), NAMES, "fake") for text in group],
        lambda: list(templates_of(str(path), reader())),
        lambda: list(names_of(str(path), reader())),
    ):
        assert all(isinstance(text, str) for text in texts_of(read))


@WILD
@given(content=st.binary(max_size=60), suffix=st.sampled_from(["txt", "json"]))
def test_any_file_gives_templates_with_a_placeholder_or_one_line_of_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"wild.{suffix}"
    path.write_bytes(content)
    assert all("{}" in template for template in texts_of(lambda: list(templates_of(str(path), reader()))))


@WILD
@given(lines=st.lists(st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), max_size=12), min_size=1))
def test_lines_are_kept_as_they_are(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    assert names_of(str(path), reader()) == tuple(lines) or lines[0].startswith("\ufeff")
