"""XML from elsewhere, parsed without what a document can make a parser do."""

from __future__ import annotations

from xml.etree import ElementTree

LARGEST = 1 << 20
"""Bytes of a document; parsed, it takes a multiple of that."""


def parse_xml(content: bytes) -> ElementTree.Element:
    """The root of a document in UTF-8.

    One with a document type is refused, whatever it says: entities that grow without end, and entities that fetch files and
    addresses, can be declared nowhere else.

    Raises:
        ValueError: with the reason, for a document that is too large, has a document type, or is not XML in UTF-8.
    """
    if len(content) > LARGEST:
        raise ValueError(f"has more than {LARGEST >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
        if "<!DOCTYPE" in text:
            raise ValueError("has a document type, which can hide entities")
        return ElementTree.fromstring(text)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except ElementTree.ParseError as error:
        raise ValueError(f"is not XML: {error}") from None


def text_of(element: ElementTree.Element | None) -> str:
    """All text in an element, also in those inside of it, with single spaces; "" without an element."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""
