"""Unpacked copies: made once, whole or not at all, and never too large."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from concord.data.medical.layouts.kept import copy, kept, unpacked
from concord.data.storage.storage import Storage
from concord.errors import DataError


def test_a_file_is_made_once_and_again_when_its_origin_changes(tmp_path: Path) -> None:
    storage, packed, calls = Storage(cache=str(tmp_path / "cache")), tmp_path / "packed", []
    packed.write_bytes(b"one")

    def write(target: BinaryIO) -> None:
        calls.append(target.write(packed.read_bytes()))

    first = unpacked(storage, str(packed), "", write)
    assert first == unpacked(storage, str(packed), "", write)
    assert first is not None
    assert (first.read_bytes(), len(calls)) == (b"one", 1)
    packed.write_bytes(b"other")
    os.utime(packed, ns=(1, 1))
    second = unpacked(storage, str(packed), "", write)
    assert second is not None
    assert (second.read_bytes(), len(calls)) == (b"other", 2)
    assert unpacked(storage, str(packed), "part", write) not in (first, second)
    assert unpacked(Storage(), str(packed), "", write) is None


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    storage = Storage(cache=str(tmp_path / "cache"))

    def fail(target: BinaryIO) -> None:
        target.write(b"half")
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        kept(storage, "here", "file", fail)
    assert list((tmp_path / "cache/here").iterdir()) == []
    (tmp_path / "cache/taken").write_text("a file and no folder")
    with pytest.raises(DataError, match="taken/file cannot be written"):
        kept(storage, "taken", "file", fail)


def test_copies_have_a_limit() -> None:
    target = io.BytesIO()
    copy(io.BytesIO(b"12345"), target, "it", 5)
    assert target.getvalue() == b"12345"
    with pytest.raises(DataError, match="it unpacks to more than 4 bytes"):
        copy(io.BytesIO(b"12345"), io.BytesIO(), "it", 4)
