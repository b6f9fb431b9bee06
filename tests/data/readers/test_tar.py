from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.readers.tar import Member, TarDamage, members
from tests.data.samples import write_tar

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300).filter(
    lambda name: not name.endswith("/")
)
FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def listed(path: Path) -> Iterator[Member]:
    content = path.read_bytes()
    return members(lambda offset, size: content[offset : offset + size], len(content))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tars")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=6), FORMATS)
def test_lists_what_python_wrote(folder: Path, content: list[tuple[str, bytes]], form: int) -> None:
    path = write_tar(folder / "a.tar", content, form)
    raw = path.read_bytes()
    found = [(member.name, raw[member.offset : member.offset + member.size]) for member in listed(path)]
    with tarfile.open(path) as tar:
        assert [name for name, _ in found] == tar.getnames()
    assert [data for _, data in found] == [data for _, data in content]


def test_short_ustar_names_with_folders(tmp_path: Path) -> None:
    name = "/".join(["folder"] * 20) + "/a.jpg"  # too long for the name field: split into prefix and name
    assert [member.name for member in listed(write_tar(tmp_path / "a.tar", [(name, b"1")], tarfile.USTAR_FORMAT))] == [name]


def test_links_devices_and_folders_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"special-{kind.decode()}.jpg")
            info.type, info.linkname, info.size = kind, "/etc/passwd", 700
            tar.addfile(info)
        real = tarfile.TarInfo("real.jpg")
        real.size = 4
        tar.addfile(real, io.BytesIO(b"data"))
    assert [member.name for member in listed(tmp_path / "a.tar")] == ["real.jpg"]


def test_sizes_above_the_octal_field(tmp_path: Path) -> None:
    info = tarfile.TarInfo("huge.bin")
    info.size = 1 << 40
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        (tmp_path / "a.tar").write_bytes(info.tobuf(form))
        assert [(member.name, member.size) for member in listed(tmp_path / "a.tar")] == [("huge.bin", 1 << 40)]


def test_negative_sizes_are_damage_and_end_the_walk(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("a.jpg").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"  # -512 in GNU's binary form: a reader that believes it goes round for ever
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    (tmp_path / "a.tar").write_bytes(bytes(header) * 3)
    with pytest.raises(TarDamage):
        list(listed(tmp_path / "a.tar"))


@pytest.mark.parametrize("content", [b"", b"\0" * 1024, b"\0" * 100])
def test_empty_tars_have_no_members(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    assert list(listed(tmp_path / "a.tar")) == []


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_tars_end_in_damage_or_in_a_list(folder: Path, data: st.DataObject) -> None:
    path = write_tar(folder / "b.tar", [("a/" + "x" * 120 + ".jpg", b"1" * 700), ("b.txt", b"2"), ("c.json", b"{}")], data.draw(FORMATS))
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    found, damage = [], None
    try:
        found.extend(listed(path))
    except TarDamage as error:
        damage = error.position
    assert damage is None or 0 <= damage <= len(raw)
    assert all(0 < member.offset <= len(raw) and member.size >= 0 for member in found)
    assert [member.offset for member in found] == sorted({member.offset for member in found})


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=4000))
def test_arbitrary_bytes_end_in_damage_or_in_a_list(content: bytes) -> None:
    found: list[Member] = []
    damage = 0
    try:
        found.extend(members(lambda offset, size: content[offset : offset + size], len(content)))
    except TarDamage as error:
        damage = error.position
    assert 0 <= damage <= len(content)
    assert all(512 <= member.offset <= len(content) for member in found)


def test_files_that_are_shorter_than_they_said(tmp_path: Path) -> None:
    content = write_tar(tmp_path / "a.tar", [("a.jpg", b"1" * 700), ("b.jpg", b"2")]).read_bytes()
    for end in (1500, 2000, 1024, 512):
        found = list(members(lambda offset, size, end=end: content[:end][offset : offset + size], len(content)))
        assert [member.name for member in found] == ["a.jpg"][: end // 512]


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=2000).filter(any))
def test_other_files_are_damage_at_their_start(folder: Path, content: bytes) -> None:
    path = folder / "c.tar"
    path.write_bytes(b"<html>" + content)
    with pytest.raises(TarDamage) as caught:
        list(listed(path))
    assert caught.value.position == 0
