from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from concord.errors import DataError
from concord.images import Decoded, Encoded, decode, decode_grey, reuse_memory
from concord.images.decoding import TURNS
from tests.images.pictures import encoded, picture, png_header, smooth

HTML = b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>"


def test_every_kind_of_raw_image_gives_the_same_pixels(tmp_path: Path) -> None:
    image = picture()
    (tmp_path / "image.png").write_bytes(encoded(image))
    for raw in (encoded(image), tmp_path / "image.png", image, np.asarray(image), bytes(encoded(image, "BMP"))):
        decoded = decode(raw)
        assert decoded.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(decoded), np.asarray(image))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "LAB"])
def test_opaque_modes(mode: str) -> None:
    image = picture(mode="RGB").convert(mode)
    np.testing.assert_array_equal(np.asarray(decode(image)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("background", [(255, 255, 255), (10, 20, 30)])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_transparent_parts_show_the_background(mode: str, background: tuple[int, int, int]) -> None:
    image = Image.new("RGBA", (4, 2), (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (0, 0, 2, 2))
    image = image.quantize(8) if mode == "P" else image.convert("LA" if mode == "LA" else "RGBA")
    if mode == "PA":
        image = image.convert("PA")
    got = np.asarray(decode(image if mode == "PA" else encoded(image), background=background))
    assert (got[:, :2] == background).all()
    assert (got[:, 2:] == ((76, 76, 76) if mode == "LA" else (255, 0, 0))).all()


def test_half_transparent_is_a_mixture() -> None:
    got = np.asarray(decode(Image.new("RGBA", (1, 1), (0, 0, 0, 128)), background=(255, 255, 255)))
    assert np.abs(got.astype(int) - 127).max() <= 1


def test_transparent_colour_of_an_rgb_png() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (9, 9, 9))
    got = np.asarray(decode(encoded(image, transparency=(1, 2, 3)), background=(0, 0, 255)))
    assert got.tolist() == [[[0, 0, 255], [9, 9, 9]]]


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    expected = [0, 1, 128, 255]
    image = Image.fromarray(values)
    for raw in (values, image, encoded(image), encoded(image, "TIFF"), Image.fromarray(values.astype(np.int32))):
        assert np.asarray(decode(raw))[0, :, 0].tolist() == expected


def test_twelve_of_sixteen_bits_are_scaled_by_their_own_range() -> None:
    data = encoded(Image.fromarray(np.array([[0, 2048, 4095, 5000]], dtype=np.uint16)))
    assert decode_grey(data, 4095).tolist() == [[0, 128, 255, 255]]
    for refused, message in ((encoded(picture()), "must have 16 bits of grey, got one of mode RGB"), (HTML, "not a JPEG")):
        with pytest.raises(DataError, match=message):
            decode_grey(refused, 4095)
    with pytest.raises(DataError, match="larger than the limit of 3"):
        decode_grey(data, 4095, max_pixels=3)


def test_floating_point_grey_is_stretched() -> None:
    image = Image.fromarray(np.array([[-1.0, 0.0, 1.0, np.nan]], dtype=np.float32))
    assert np.asarray(decode(encoded(image, "TIFF")))[0, :, 0].tolist() == [0, 128, 255, 128]
    assert np.asarray(decode(Image.new("F", (2, 2), 7.0))).max() == 0


def test_broken_exif_leaves_the_picture() -> None:
    data = encoded(picture(), "JPEG", exif=b"Exif\0\0not a tiff header")
    assert decode(data).size == (40, 30)


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "not a JPEG"),
        (b"hello, this is text", "19 bytes"),
        (HTML, "not a JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not a JPEG"),
        (encoded(picture(), "JPEG")[:1200], "truncated"),
        (encoded(picture())[:60], "cannot decode"),
        (png_header(100_000, 100_000), "exceeds limit"),
        (png_header(12_000, 10_000), "12000 x 10000 pixels is larger than the limit"),
        (png_header(50, 50), "cannot decode"),
        (np.zeros((4, 4, 2), np.uint8), r"\[4, 4, 2\]"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((0, 4, 3), np.uint8), "must have pixels"),
        (np.zeros(4, np.uint8), r"\[4\]"),
        (Path("/nowhere/image.png"), "/nowhere/image.png"),
        ("image.png", "got str"),
    ],
)
def test_what_cannot_be_decoded_says_why(raw, cause: str) -> None:
    with pytest.raises(DataError, match=cause) as caught:
        decode(raw)
    assert "\n" not in str(caught.value)


def test_limit_on_pixels_is_a_choice() -> None:
    assert decode(picture(40, 30), max_pixels=1200).size == (40, 30)
    with pytest.raises(DataError, match="larger than the limit of 1199"):
        decode(picture(40, 30), max_pixels=1199)


def test_cmyk_jpeg() -> None:
    """Adobe's files hold the inverse of each colour and say so in a marker, which Pillow writes as well."""
    red = Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK")
    data = encoded(red, "JPEG", quality=95)
    assert b"Adobe" in data
    assert np.abs(np.asarray(decode(data)).astype(int) - (200, 30, 30)).max() <= 4
    shrunk = Encoded(data).decode(2)
    assert shrunk.picture.size == (8, 8)
    assert np.abs(np.asarray(shrunk.picture).astype(int) - (200, 30, 30)).max() <= 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.n_frames == 2
    assert np.asarray(decode(data))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    image = smooth(48, 32)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, kind, exif=exif)
    upright = image.transpose(TURNS[orientation]) if orientation > 1 else image
    opened = Encoded(data)
    assert opened.size == upright.size == decode(data).size
    assert np.abs(np.asarray(opened.decode().picture).astype(int) - np.asarray(upright)).mean() < 4
    np.testing.assert_array_equal(np.asarray(decode(data)), np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 8), (16, 8), (65, 33)])
@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
def test_a_jpeg_shrinks_as_far_as_its_sides_allow(size: tuple[int, int], shrink: int) -> None:
    decoded = Encoded(encoded(Image.new("RGB", size, (90, 60, 200)), "JPEG")).decode(shrink)
    assert decoded.shrink == max(factor for factor in (1, 2, 4, 8) if factor <= min(shrink, *size))
    assert decoded.picture.size == tuple(-(-side // decoded.shrink) for side in size)
    assert np.abs(np.asarray(decoded.picture).astype(int) - (90, 60, 200)).max() <= 4


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_shrunk_jpeg_shows_the_same(mode: str, progressive: bool) -> None:
    data = encoded(smooth(160, 96).convert(mode), "JPEG", progressive=progressive, quality=95)
    whole, half = decode(data), Encoded(data).decode(2).picture
    assert half.mode == "RGB"
    assert np.abs(np.asarray(half).astype(int) - np.asarray(whole.reduce(2))).mean() < 1.5


def test_a_turned_jpeg_shrinks_where_its_sides_are_multiples() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    shrinks = [Encoded(encoded(Image.new("RGB", size), "JPEG", exif=exif)).decode(8).shrink for size in ((64, 32), (36, 64), (35, 64))]
    assert shrinks == [8, 4, 1]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_other_formats_come_whole(kind: str) -> None:
    decoded = Encoded(encoded(picture(), kind)).decode(8)
    assert (decoded.shrink, decoded.picture.size) == (1, (40, 30))


def test_an_opened_picture_is_left_as_it_is() -> None:
    opened = Image.open(io.BytesIO(encoded(picture(64, 48), "JPEG")))
    assert Encoded(opened).decode(4).picture.size == opened.size == (64, 48)


@pytest.mark.parametrize("size", [(40, 30), (2300, 2000)])
def test_pixels_are_those_of_the_picture_also_where_pillow_keeps_them_in_pieces(size: tuple[int, int]) -> None:
    image = picture(*size)
    assert (4 * image.width * image.height > 16 * 2**20) == (size == (2300, 2000))
    np.testing.assert_array_equal(Decoded(image).pixels[..., :3], np.asarray(image))


def test_a_hundred_megapixels_are_refused_before_they_are_decoded() -> None:
    data = encoded(Image.new("1", (10_000, 10_000)))
    with pytest.raises(DataError, match="10000 x 10000 pixels is larger than the limit"):
        Encoded(data)
    assert Encoded(data, max_pixels=10**8).size == (10_000, 10_000)


def cut(kind: str, share: float) -> bytes:
    data = encoded(picture(200, 150), kind)
    return data[: int(share * len(data))]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of TIFF
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9])
@pytest.mark.parametrize("shrink", [1, 2])
def test_cut_files_raise_data_error(kind: str, share: float, shrink: int) -> None:
    with pytest.raises(DataError) as caught:
        Encoded(cut(kind, share)).decode(shrink)
    assert "\n" not in str(caught.value)


def damage(kind: str, changes: list[tuple[float, int]], share: float, **options) -> bytes:
    """A file with some bytes changed, cut to a share of its length."""
    content = bytearray(encoded(picture(24, 18), kind, **options))
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    return bytes(content[: max(1, round(share * len(content)))])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of tags it cannot read
@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    share=st.floats(0.5, 1),
    shrink=st.sampled_from([1, 2, 8]),
    progressive=st.booleans(),
)
@example(kind="JPEG", changes=[(0.9, 0)], share=1.0, shrink=2, progressive=True)
def test_damaged_files_decode_or_raise_data_error(
    kind: str, changes: list[tuple[float, int]], share: float, shrink: int, progressive: bool
) -> None:
    options = {"progressive": progressive} if kind == "JPEG" else {}
    try:
        opened = Encoded(damage(kind, changes, share, **options), max_pixels=1_000_000)
        decoded = opened.decode(shrink)
    except DataError:
        return
    assert decoded.picture.mode == "RGB"
    assert decoded.picture.size == tuple(-(-side // decoded.shrink) for side in opened.size)


@given(st.binary(max_size=200))
def test_random_bytes_raise_data_error(content: bytes) -> None:
    with pytest.raises(DataError):
        decode(content)


def test_memory_that_is_reused_holds_the_next_picture() -> None:
    sizes = [(64, 48), (640, 480), (63, 47), (1024, 768)]
    expected = [np.asarray(decode(encoded(smooth(*size)))) for size in sizes]
    before = Image.core.get_blocks_max()
    try:
        reuse_memory(2)
        assert Image.core.get_blocks_max() == 2
        for _ in range(2):
            assert all(np.array_equal(decode(encoded(smooth(*size))), values) for size, values in zip(sizes, expected, strict=True))
    finally:
        Image.core.set_blocks_max(before)
