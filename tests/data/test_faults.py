"""Everything that goes wrong in web data, in one shard: what can be used is, the rest is counted by cause, and nothing hangs."""

from __future__ import annotations

import io
import itertools
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from concord.data import Augmentation, BadSample, Shards, Shuffle, TrainingLoader, TrainingOrder, Views
from concord.errors import DataError
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, TextView
from tests.images.pictures import encoded, picture, png_header, smooth

GOOD = ""
UNDECODABLE = "image cannot be decoded"
NOT_UTF8 = "caption is not UTF-8"
NO_CAPTION = "no caption"

JPEG = encoded(smooth(60, 40), "JPEG")
CAPTION = b"a red circle"


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(smooth(60, 40), "JPEG", exif=exif)


def deep() -> bytes:
    return encoded(Image.fromarray(np.linspace(0, 65535, 1200).astype(np.uint16).reshape(30, 40)))


def animated(kind: str) -> bytes:
    frames = [picture(20, 20).convert("L").point(lambda _, shade=shade: shade).convert("RGB") for shade in (10, 240)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def palette() -> bytes:
    return encoded(picture(mode="RGB").quantize(16), transparency=0)


CASES: dict[str, tuple[str, bytes, bytes, str]] = {
    "whole": ("jpg", JPEG, CAPTION, GOOD),
    "truncated": ("jpg", JPEG[: len(JPEG) // 2], CAPTION, UNDECODABLE),
    "header only": ("jpg", JPEG[:20], CAPTION, UNDECODABLE),
    "zero bytes": ("jpg", b"", CAPTION, "image of zero bytes"),
    "html": ("jpg", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", CAPTION, UNDECODABLE),
    "svg": ("png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', CAPTION, UNDECODABLE),
    "cmyk": ("jpg", encoded(picture().convert("CMYK"), "JPEG"), CAPTION, GOOD),
    "palette": ("png", palette(), CAPTION, GOOD),
    "16 bits": ("png", deep(), CAPTION, GOOD),
    "alpha": ("png", encoded(picture(mode="RGBA")), CAPTION, GOOD),
    "grey and alpha": ("png", encoded(picture(mode="LA")), CAPTION, GOOD),
    "exif": ("jpg", rotated(), CAPTION, GOOD),
    "gif": ("png", animated("GIF"), CAPTION, GOOD),
    "animated webp": ("webp", animated("WEBP"), CAPTION, GOOD),
    "png in jpg": ("jpg", encoded(picture()), CAPTION, GOOD),
    "upper case": ("JPG", JPEG, CAPTION, GOOD),
    "dots.in.the.name": ("jpg", JPEG, CAPTION, GOOD),
    "one pixel": ("png", encoded(picture(1, 1)), CAPTION, GOOD),
    "one pixel wide": ("png", encoded(picture(1, 3000)), CAPTION, GOOD),
    "100 megapixels": ("png", png_header(10_000, 10_000), CAPTION, UNDECODABLE),
    "bomb": ("png", png_header(60_000, 60_000), CAPTION, UNDECODABLE),
    "invalid utf-8": ("jpg", JPEG, b"caf\xe9", NOT_UTF8),
    "empty caption": ("jpg", JPEG, b"", NO_CAPTION),
    "blank caption": ("jpg", JPEG, b" \n\t", NO_CAPTION),
    "long caption": ("jpg", JPEG, b"word " * 20_000, GOOD),
    "../../outside": ("jpg", JPEG, CAPTION, GOOD),
    "/absolute/name": ("jpg", JPEG, CAPTION, GOOD),
}
"""By key: suffix, image, caption, and the cause for which it cannot be used."""

UNPAIRED = {"no text": NO_CAPTION, "no image": "no image", "cut": "shard ends before the example does"}
"""Examples that hold one member only, and the one that the end of the shard cuts off."""


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """All of them, with links and devices in between, a name that is there twice, and the end cut off."""
    path = tmp_path / "data" / "00000.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as tar:
        for key, (suffix, image, caption, _) in CASES.items():
            add(tar, f"{key}.{suffix}", image)
            add(tar, f"{key}.txt", caption)
        add(tar, "no text.jpg", JPEG)
        add(tar, "no image.txt", CAPTION)
        add(tar, "whole.txt", b"said again")
        for kind, name in ((tarfile.SYMTYPE, "link.jpg"), (tarfile.LNKTYPE, "hard.jpg"), (tarfile.CHRTYPE, "device.jpg")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        add(tar, "cut.txt", CAPTION)
        start = tar.offset
        add(tar, "cut.jpg", JPEG)
    with path.open("r+b") as file:
        file.truncate(start + 512 + len(JPEG) // 2)
    return path


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def views(tokenizer: BPETokenizer, preprocess: Preprocess, recipes: dict[str, Augmentation]) -> Views:
    return Views({"image": ImageView("weak")}, {"caption": TextView("caption")}, recipes, preprocess, tokenizer)


def expected() -> dict[str, str]:
    return {**{key: case[3] for key, case in CASES.items()}, **UNPAIRED}


def cause_of(source: Shards, views: Views, index: int) -> str:
    try:
        views.collate([views.example(source[index], 0, index)])
    except BadSample as error:
        bad = error
    else:
        return GOOD
    assert bad.key == source.key(index)
    assert "\n" not in str(bad)
    return bad.cause


def test_every_fault_has_its_cause_and_the_rest_is_used(shard: Path, views: Views) -> None:
    source = Shards(str(shard))
    found = {source.key(index): cause_of(source, views, index) for index in range(len(source))}
    assert found == expected()
    assert source.captions([*found].index("whole")) == ("a red circle",)  # the first of two


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_with_what_is_good_and_counts_the_rest(shard: Path, views: Views, workers: int, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    source = Shards(str(shard))
    order = TrainingOrder(Shuffle().over(source, "0"), len(source), 5)
    loader = TrainingLoader(source, order, views, workers=workers, max_bad_share=1.0)
    seen = {key for batch in itertools.islice(loader, 2 * len(source) // 5) for key in batch.keys}  # two epochs
    causes = expected()
    assert seen == {key for key, cause in causes.items() if cause == GOOD}
    assert set(loader.bad.causes) == set(causes.values()) - {GOOD}
    for cause, example in loader.bad.first.items():
        assert causes[example.partition(":")[0]] == cause
    assert sorted(tmp_path.rglob("*")) == before  # nothing was written, inside or outside


def test_too_large_a_share_ends_it_with_the_counts(shard: Path, views: Views) -> None:
    source = Shards(str(shard))
    loader = TrainingLoader(source, TrainingOrder(Shuffle().over(source, "0"), len(source), 5), views, max_bad_share=0.2)
    with pytest.raises(DataError, match=r"examples are bad, data.max_bad_share allows 20.0%: .*\d+ x image cannot be decoded") as caught:
        for _ in loader:
            pass
    assert "\n" not in str(caught.value)
    for cause in set(expected().values()) - {GOOD}:
        assert f"x {cause}, such as " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>404</html>", "is not an uncompressed tar"),
        (b"", "no image in it"),
        (b"\x1f\x8b" + bytes(600), "gzip"),
    ],
    ids=["html", "empty", "compressed"],
)
def test_what_is_no_shard_is_refused_at_the_start(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "00000.tar"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        Shards(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shard_that_disappears_while_it_is_read(shard: Path, views: Views) -> None:
    source = Shards(str(shard))
    loader = TrainingLoader(source, TrainingOrder(Shuffle().over(source, "0"), len(source), 5), views, max_bad_share=0.6)
    stream = iter(loader)
    next(stream)
    shard.unlink()
    with pytest.raises(DataError, match=r"shard cannot be read \(file not found\)"):
        for _ in stream:
            pass
