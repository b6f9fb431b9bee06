"""Single values of a JSON object against `json.loads`."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.readers.captions import parse_json
from concord.data.readers.json_keys import values_under
from concord.data.source import BadSample

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=6)


@given(DOCUMENTS, st.data(), st.sampled_from([None, 1]), st.booleans())
def test_it_finds_what_json_finds(document: dict[str, object], data: st.DataObject, indent: int | None, plain: bool) -> None:
    keys = data.draw(st.sets(st.sampled_from(sorted(document)) if document else st.just("none")))
    content = json.dumps(document, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    expected = {key: value for key, value in json.loads(content.decode("utf-8", "surrogatepass")).items() if key in keys}
    if plain:
        assert values_under(content, frozenset(keys)) == expected
    else:  # half a surrogate pair is no UTF-8, and is only found out where it is read
        try:
            assert values_under(content, frozenset(keys)) == expected
        except UnicodeDecodeError:
            assert any("\ud800" <= character <= "\udfff" for character in content.decode("utf-8", "surrogatepass"))


@given(DOCUMENTS.filter(bool), st.integers(1, 40))
def test_half_a_file_is_refused(document: dict[str, object], cut: int) -> None:
    content = json.dumps(document).encode()
    with pytest.raises(ValueError, match=r"."):
        values_under(content[: max(1, len(content) - cut)], frozenset([*document, "none of these"]))


@given(st.text('{}[]",:\\ a1u', max_size=30))
def test_it_agrees_with_json_on_anything(text: str) -> None:
    content = ("{" + text).encode()
    try:
        expected = json.loads(content)
    except ValueError:
        with contextlib.suppress(ValueError):  # what stands under other keys is not looked at
            assert values_under(content, frozenset({"a"})).keys() <= {"a"}
    else:
        if text.count('"a"') < 2:  # of two, either counts
            assert values_under(content, frozenset({"a"})) == {key: value for key, value in expected.items() if key == "a"}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b'{"a"}', b'{"a": }', b'{"a": 1,}', b'{"a": 1 "b": 2}', b'{"a": "x}', b'{"a": [1, 2}', b'{"a": 1} {"b": 2}'),
        *(b'{"a": tru}', b"{a: 1}", b"not json"),
    ],
)
def test_what_is_no_json_is_a_bad_sample(content: bytes) -> None:
    with pytest.raises(BadSample, match="JSON cannot be read"):
        parse_json("k", content, frozenset({"a", "z"}))


def test_what_is_no_object_is_read_whole() -> None:
    assert values_under(b" [1, 2]", frozenset({"a"})) == [1, 2]
    assert values_under(b"{}", frozenset({"a"})) == {}


def test_nothing_is_read_behind_the_last_key() -> None:
    assert values_under(b'{"b": "}\\"{\\\\", "a": 2, broken', frozenset({"a"})) == {"a": 2}


def test_what_is_not_asked_for_may_be_broken() -> None:
    assert values_under(b'{"text": "\xff \\u12", "a": [{"b": "]"}]}', frozenset({"a"})) == {"a": [{"b": "]"}]}
