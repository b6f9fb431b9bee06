from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.captions import CaptionFields, parse_json, string_paths
from concord.data.source import BadSample
from concord.errors import ConfigError

DOCUMENT = {"caption": "in json", "names": {"en": "cat", "de": "Katze"}, "all": ["one", " ", "two ", 3], "n": 5}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@pytest.mark.parametrize(
    ("fields", "captions"),
    [
        ("txt", ("from text",)),
        ("json:caption", ("in json",)),
        ("json:names.de", ("Katze",)),
        ("json:all", ("one", "two")),
        ("json:all.2", ("two",)),
        (["txt", "json:names.en", "json:names.fr"], ("from text", "cat")),
    ],
)
def test_fields(fields: str | list[str], captions: tuple[str, ...]) -> None:
    assert CaptionFields(fields).read("k", "\ufefffrom text\n".encode(), DOCUMENT) == captions


@pytest.mark.parametrize("field", ["json:names", "json:n", "json:names.fr", "json:all.9", "json:caption.0"])
def test_no_caption_is_a_bad_sample(field: str) -> None:
    with pytest.raises(BadSample, match="k: no caption"):
        CaptionFields(field).read("k", b"text", DOCUMENT)


def test_text_must_be_utf8() -> None:
    with pytest.raises(BadSample, match="UTF-8"):
        CaptionFields("txt").read("k", b"\xff\xfe\x00", None)


@pytest.mark.parametrize("field", ["text", "json", "json:", "", []])
def test_other_fields_are_refused(field: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="caption"):
        CaptionFields(field)


def test_advice_names_the_nearest_path() -> None:
    assert "json:names.en" in CaptionFields("json:name.en").advice(DOCUMENT)
    assert list(string_paths(DOCUMENT)) == ["caption", "names.en", "names.de", "all"]


@given(VALUES, st.text(max_size=8))
def test_any_json_gives_captions_or_a_bad_sample(document: object, path: str) -> None:
    parsed = parse_json("k", json.dumps(document).encode())
    try:
        captions = CaptionFields(f"json:x{path}").read("k", None, {f"x{path}".split(".")[0]: parsed})
    except BadSample:
        return
    assert captions
    assert all(isinstance(caption, str) and caption.strip() == caption != "" for caption in captions)


@given(st.binary())
def test_any_bytes_are_json_or_a_bad_sample(content: bytes) -> None:
    try:
        expected = json.loads(content)
    except ValueError:
        with pytest.raises(BadSample):
            parse_json("k", content)
    else:
        assert repr(parse_json("k", content)) == repr(expected)
