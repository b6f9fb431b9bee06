"""XML from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical import safe_xml
from concord.data.medical.safe_xml import parse_xml, text_of

BOMB = "<!DOCTYPE a [<!ENTITY x0 'ha'>" + "".join(f"<!ENTITY x{n + 1} '&x{n};&x{n};'>" for n in range(40)) + "]><a>&x40;</a>"


def test_elements_and_their_text() -> None:
    root = parse_xml('\ufeff<?xml version="1.0" encoding="utf-8"?><a>\n<b>one <i>tw</i>o\n  three</b> four &amp; &#233;</a>'.encode())
    assert text_of(root.find("b")) == "one two three"
    assert text_of(root) == "one two three four & é"
    assert text_of(root.find("c")) == ""


def test_documents_with_a_type_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("planted")
    for document in (
        BOMB,
        f'<!DOCTYPE a [<!ENTITY b SYSTEM "{secret.as_uri()}">]><a>&b;</a>',
        f'<!DOCTYPE a SYSTEM "{secret.as_uri()}"><a/>',
        '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:9/x"> %b;]><a/>',
    ):
        with pytest.raises(ValueError, match="has a document type, which can hide entities") as error:
            parse_xml(document.encode())
        assert "planted" not in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"])
def test_no_encoding_hides_a_document_type(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"is not UTF-8|is not XML|has a document type"):
        parse_xml(f'<?xml version="1.0" encoding="{encoding}"?>{BOMB}'.encode(encoding))


def test_an_entity_that_nobody_declared_is_no_xml() -> None:
    with pytest.raises(ValueError, match="is not XML: undefined entity"):
        parse_xml(b"<a>&b;</a>")


def test_documents_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_xml, "LARGEST", 1 << 10)
    with pytest.raises(ValueError, match="has more than 0 MiB"):
        parse_xml(b"<a>" + b" " * (1 << 10) + b"</a>")


def test_elements_inside_of_many_others() -> None:
    deep = 100_000
    assert text_of(parse_xml(b"<a>" * deep + b"x" + b"</a>" * deep)) == "x"


@given(st.binary(max_size=200) | st.text(alphabet="<>&;!DOCTYPE[]a/ \"'=", max_size=60).map(str.encode))
def test_anything_else_is_one_kind_of_error(content: bytes) -> None:
    try:
        found = text_of(parse_xml(content))
    except ValueError as error:
        found = str(error)
    assert found == " ".join(found.split())
