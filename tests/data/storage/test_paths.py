from __future__ import annotations

from pathlib import Path

import pytest

from concord.data import Storage
from concord.data.storage.paths import expand_braces, without_secrets
from concord.errors import DataError


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [
        ("a.tar", ["a.tar"]),
        ("a-{08..11}.tar", ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]),
        ("{b,a}/{1..2}", ["b/1", "b/2", "a/1", "a/2"]),
        ("a{3..1}", ["a3", "a2", "a1"]),
    ],
)
def test_braces(pattern: str, expanded: list[str]) -> None:
    assert list(expand_braces(pattern)) == expanded


def test_folder_glob_braces_and_lists_lead_to_the_same_files(tmp_path: Path) -> None:
    files = [tmp_path / f"s-{number:02}.tar" for number in range(12)]
    for file in files:
        file.touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.tar").mkdir()
    for path in (str(tmp_path), f"{tmp_path}/s-*.tar", f"{tmp_path}/s-{{00..11}}.tar", [str(file) for file in files]):
        assert Storage().find(path, ".tar") == [str(file) for file in files]


def test_errors_name_the_path(tmp_path: Path) -> None:
    for path, message in ((f"{tmp_path}/none", "none: no such file"), (str(tmp_path), "no .tar file"), ([], "path is empty")):
        with pytest.raises(DataError, match=message):
            Storage().find(path, ".tar")
    (tmp_path / "s-0.tar").touch()
    with pytest.raises(DataError, match=r"s-1\.tar: no such file"):
        Storage().find(f"{tmp_path}/s-{{0..1}}.tar", ".tar")


def test_secrets_in_addresses_are_not_shown() -> None:
    assert without_secrets("https://ann:word@host:8000/a/b.tar?token=t0p#x") == "https://host:8000/a/b.tar"
    assert without_secrets("s3://key:secret@bucket/a#1?.tar") == "s3://bucket/a#1?.tar"
    assert without_secrets("/data/a?b#c@d.tar") == "/data/a?b#c@d.tar"
