from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.readers.captions import CaptionFields, FieldNames, at_path, captions_of, parse_json, string_paths, usable
from concord.data.source import BadSample
from concord.errors import ConfigError
from concord.types import Caption, role_of

DOCUMENT = {
    "caption": "in json",
    "names": {"en": "cat", "de": "Katze"},
    "all": ["one", " ", "two ", 3],
    "n": 5,
    "dots.in.name": "dotted",
    "prepared": [{"text": "first", "role": "original"}, {"text": "second"}, "third", {"text": 4}, {}],
}
ROW = {"TEXT": "of the row", "meta": {"long": "a long one"}}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


def with_roles(captions: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(str(caption), role_of(caption)) for caption in captions]


@pytest.mark.parametrize(
    ("fields", "captions"),
    [
        ("txt", ("from text",)),
        ("json:caption", ("in json",)),
        ("json:names.de", ("Katze",)),
        ("json:all", ("one", "two")),
        ("json:all.2", ("two",)),
        ("json:dots.in.name", ("dotted",)),
        ("json:prepared", ("first", "second", "third")),
        ("parquet:TEXT", ("of the row",)),
        ("parquet:meta.long", ("a long one",)),
        (["txt", "json:names.en", "json:names.fr", "parquet:TEXT"], ("from text", "cat", "of the row")),
    ],
)
def test_fields(fields: FieldNames, captions: tuple[str, ...]) -> None:
    assert CaptionFields(fields).read("k", "\ufefffrom text\n".encode(), DOCUMENT, ROW) == captions


def test_a_mapping_gives_roles() -> None:
    fields = CaptionFields({"original": "txt", "synthetic": "json:caption", "long": ["parquet:meta.long", "json:all"]})
    assert with_roles(fields.read("k", b"text", DOCUMENT, ROW)) == [
        ("text", "original"),
        ("in json", "synthetic"),
        ("a long one", "long"),
        ("one", "long"),
        ("two", "long"),
    ]
    languages = CaptionFields({"en": "json:names.en", "de": "json:names.de", "fr": "json:names.fr"})
    assert with_roles(languages.read("k", None, DOCUMENT)) == [("cat", "en"), ("Katze", "de")]


@pytest.mark.parametrize(
    ("fields", "captions"),
    [
        ("txt:_x_", [("one.", ""), ("two.", ""), ("three.", "")]),
        ("txt:_x_[:2]", [("one.", ""), ("two.", "")]),
        ({"a": "txt:_x_[:1]", "b": "txt:_x_[1:]"}, [("one.", "a"), ("two.", "b"), ("three.", "b")]),
        ("txt:_x_[-2:-1]", [("three.", "")]),
        ("txt:. ", [("one._x_two._x_three._x_", "")]),
        ("txt:[:2]", [("one._x_two._x_three._x_", "")]),
    ],
)
def test_texts_that_hold_several_captions(fields: FieldNames, captions: list[tuple[str, str]]) -> None:
    assert with_roles(CaptionFields(fields).read("k", b"one._x_two._x_three._x_", None)) == captions


def test_texts_that_stand_for_none() -> None:
    fields = CaptionFields({"a": "txt", "b": "json:all"}, absent=["No caption found", "two"])
    assert with_roles(fields.read("k", b" No caption found\n", DOCUMENT)) == [("one", "b")]
    with pytest.raises(BadSample, match="no caption"):
        CaptionFields("txt", absent=["No caption found"]).read("k", b"No caption found", None)


def test_captions_that_bring_a_role_keep_it() -> None:
    assert with_roles(CaptionFields({"web": "json:prepared"}).read("k", None, DOCUMENT)) == [
        ("first", "original"),
        ("second", "web"),
        ("third", "web"),
    ]
    assert with_roles(tuple(captions_of({"text": "x", "role": 3}))) == [("x", "")]


@pytest.mark.parametrize("value", [None, 3, 0.5, True, b"bytes", {"caption": "x"}, {"text": ["x"]}, [["x"]], [None, 3], "", " \n\t"])
def test_what_holds_no_caption(value: object) -> None:
    assert captions_of(value) == []


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("a\x00cat", "a cat"),
        ("\x1b\x07 bell \x7f", "bell"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\x00\x01", None),
        ("x" * 100_000, "x" * 100_000),
        ("\U0001f600 \u200d", "\U0001f600 \u200d"),
    ],
)
def test_strange_texts_are_cleaned(text: str, caption: str | None) -> None:
    assert captions_of(text) == ([] if caption is None else [caption])
    cleaned = captions_of(text, "web")
    assert all(isinstance(caption, Caption) and caption.role == "web" for caption in cleaned)


def test_halves_of_surrogate_pairs_make_a_bad_sample() -> None:
    document = parse_json("k", rb'{"caption": "cut \ud83d", "whole": "\ud83d\ude00"}')
    with pytest.raises(BadSample, match="k: caption is not UTF-8"):
        CaptionFields("json:caption").read("k", None, document)
    assert CaptionFields("json:whole").read("k", None, document) == ("\U0001f600",)


@pytest.mark.parametrize("field", ["json:names", "json:n", "json:names.fr", "json:all.9", "json:caption.0", "parquet:NONE", "txt"])
def test_no_caption_is_a_bad_sample(field: str) -> None:
    with pytest.raises(BadSample, match="k: no caption"):
        CaptionFields(field).read("k", b" \x00\n", DOCUMENT, ROW)
    with pytest.raises(BadSample, match="k: no caption"):
        CaptionFields(field).read("k", None, None)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"caf\xe9", b"cut \xf0\x9f\x98"])
def test_text_must_be_utf8(content: bytes) -> None:
    with pytest.raises(BadSample, match="UTF-8"):
        CaptionFields("txt").read("k", content, None)


@pytest.mark.parametrize("field", ["text", "json", "json:", "txt:", "parquet", "parquet:", "csv:a", "", [], {}, {"en": []}])
def test_other_fields_are_refused(field: FieldNames) -> None:
    with pytest.raises(ConfigError, match="caption"):
        CaptionFields(field)


def test_only_what_is_needed_is_asked_for() -> None:
    fields = CaptionFields({"a": ["json:x"], "b": ["parquet:y.z", "parquet:w"], "c": "parquet:w"})
    assert (fields.needs_text, fields.needs_json, fields.needs_sidecar) == (False, True, True)
    assert fields.columns == ["y.z", "w"]
    only = CaptionFields("txt")
    assert (only.needs_text, only.needs_json, only.needs_sidecar, only.columns) == (True, False, False, [])


def test_advice_names_the_nearest_path() -> None:
    assert "json:names.en" in CaptionFields("json:name.en").advice(DOCUMENT)
    assert "parquet:TEXT" in CaptionFields("parquet:text").advice(None, ROW)
    assert "is there a .txt" in CaptionFields("txt").advice({"n": 5})
    assert list(string_paths(DOCUMENT)) == ["caption", "names.en", "names.de", "all", "dots.in.name", "prepared"]


def test_paths_are_searched_to_a_depth() -> None:
    document: dict[str, object] = {"caption": "deep"}
    for _ in range(500):
        document = {"in": document}
    assert list(string_paths(document)) == []
    assert at_path(document, ".".join(["in"] * 500) + ".caption") == "deep"


@settings(deadline=None)
@given(VALUES, st.text(max_size=8))
def test_any_json_gives_captions_or_a_bad_sample(document: object, path: str) -> None:
    parsed = parse_json("k", json.dumps(document).encode())
    try:
        captions = CaptionFields(f"json:x{path}").read("k", None, {f"x{path}".split(".")[0]: parsed})
    except BadSample:
        return
    assert captions
    assert all(isinstance(caption, str) and caption.strip() == caption != "" for caption in captions)


@settings(deadline=None)
@given(st.text(st.characters()), st.sampled_from(["", "web"]))
def test_any_text_is_a_caption_that_can_be_written_or_bad(text: str, role: str) -> None:
    try:
        captions = usable("k", captions_of(text, role))
    except BadSample:
        return
    assert captions[0].encode().decode() == captions[0]
    assert captions_of(captions[0], role) == list(captions)
    assert role_of(captions[0]) == role


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_a_text_file_or_bad(content: bytes) -> None:
    fields = CaptionFields("txt")
    try:
        usual = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        with pytest.raises(BadSample, match="k: caption is not UTF-8"):
            fields.read("k", content, None)
        return
    if not captions_of(usual):
        with pytest.raises(BadSample, match="k: no caption"):
            fields.read("k", content, None)
    else:
        assert fields.read("k", content, None) == tuple(captions_of(usual))


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_json_or_a_bad_sample(content: bytes) -> None:
    try:
        expected = json.loads(content)
    except ValueError:
        with pytest.raises(BadSample):
            parse_json("k", content)
    else:
        assert repr(parse_json("k", content)) == repr(expected)
