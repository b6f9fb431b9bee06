"""Rows of Excel files, and those that are none."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest

from concord.data.medical.layouts.sheets import xlsx_rows
from concord.data.storage.storage import Storage
from concord.errors import DataError, MissingExtraError
from tests.data.medical.layouts.tissue_fixtures import write_xlsx


def read(file: Path, *columns: str) -> list[dict[str, object]]:
    return [dict(row.cells) for row in xlsx_rows(Storage(), str(file), columns)]


def test_columns_by_name_without_empty_rows(tmp_path: Path) -> None:
    file = tmp_path / "table.xlsx"
    write_xlsx(file, ["other", " name ", "count"], [["x", "a", 1], [None, None, None], ["y", "b"]])
    assert read(file, "name", "count") == [{"name": "a", "count": 1}, {"name": "b", "count": None}]
    assert [row.place.rpartition("/")[2] for row in xlsx_rows(Storage(), str(file), ["name"])] == ["table.xlsx, row 2", "table.xlsx, row 4"]
    with pytest.raises(DataError, match=r"table\.xlsx: no column 'nam' \(expected\); did you mean name"):
        read(file, "nam")


def test_what_is_no_table_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "table.xlsx"
    file.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"table\.xlsx cannot be read: File is not a zip file; download it again"):
        read(file, "name")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (2 << 20))
    file.write_bytes(bomb.getvalue())
    monkeypatch.setattr("concord.data.medical.layouts.sheets.LARGEST", 1 << 20)
    with pytest.raises(DataError, match="unpacks to 2097152 bytes"):
        read(file, "name")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"openpyxl is not installed; install it with: pip install 'concord\[medical\]'"):
        read(file, "name")
