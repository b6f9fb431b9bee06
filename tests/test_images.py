from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from concord.errors import DataError
from concord.images import Preprocess, decode, to_tensor


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds almost nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


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


def test_cmyk_jpeg() -> None:
    red = Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK")
    assert np.abs(np.asarray(decode(encoded(red, "JPEG", quality=95))).astype(int) - (200, 30, 30)).max() <= 4


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


def test_floating_point_grey_is_stretched() -> None:
    image = Image.fromarray(np.array([[-1.0, 0.0, 1.0, np.nan]], dtype=np.float32))
    assert np.asarray(decode(encoded(image, "TIFF")))[0, :, 0].tolist() == [0, 128, 255, 128]
    assert np.asarray(decode(Image.new("F", (2, 2), 7.0))).max() == 0


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (8, 4), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 8, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by a quarter
    got = np.asarray(decode(encoded(image, exif=exif)))
    assert got.shape == (8, 4, 3)
    assert got[:, 2:].min() == 255
    assert got[:, :2].max() == 0


def test_broken_exif_leaves_the_picture() -> None:
    data = encoded(picture(), "JPEG", exif=b"Exif\0\0not a tiff header")
    assert decode(data).size == (40, 30)


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.asarray(decode(data))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "not a JPEG"),
        (b"hello, this is text", "19 bytes"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not a JPEG"),
        (encoded(picture(), "JPEG")[:1200], "truncated"),
        (encoded(picture())[:60], "cannot decode"),
        (png_header(100_000, 100_000), "exceeds limit"),
        (png_header(10_000, 8_000), "10000 x 8000 pixels is larger than the limit"),
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


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of tags it cannot read
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]), st.data())
def test_damaged_files_decode_or_raise_data_error(kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(picture(12, 9), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    try:
        decoded = decode(bytes(content), max_pixels=1_000_000)
    except DataError:
        return
    assert decoded.mode == "RGB"


@given(st.binary(max_size=200))
def test_random_bytes_raise_data_error(content: bytes) -> None:
    with pytest.raises(DataError):
        decode(content)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.sampled_from(["bicubic", "bilinear"]))
def test_crop_equals_torchvision(width: int, height: int, size: int, interpolation: str) -> None:
    image = picture(width, height)
    if max(width, height) > 8 * min(width, height):
        return
    mode = transforms.InterpolationMode(interpolation)
    expected = transforms.CenterCrop(size)(transforms.Resize(size, mode)(image))
    got = Preprocess(size, interpolation=interpolation)(image)  # type: ignore[arg-type]
    assert torch.equal(got, transforms.PILToTensor()(expected))


@pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50_000), (50_000, 1), (3, 2), (500, 333)])
def test_every_shape_becomes_the_square(resize, size: tuple[int, int]) -> None:
    tensor = Preprocess(32, resize)(Image.new("RGB", size, (10, 200, 30)))
    assert tensor.shape == (3, 32, 32)
    assert tensor.dtype == torch.uint8
    assert tensor.is_contiguous()
    assert tensor[:, 15, 15].tolist() == [10, 200, 30]


def test_pad_fills_with_the_background() -> None:
    tensor = Preprocess(16, "pad", background=(1, 2, 3))(Image.new("RGB", (40, 20), (250, 250, 250)))
    assert (tensor[:, :4] == torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None]).all()
    assert (tensor[:, 4:12] == 250).all()
    assert (tensor[:, 12:] == torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None]).all()


def test_squash_keeps_everything() -> None:
    image = Image.new("RGB", (64, 8), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 8, 8))
    assert Preprocess(8, "squash", "bilinear")(image)[0, :, 0].min() > 200
    assert Preprocess(8, "crop", "bilinear")(image).max() == 0


def test_to_tensor_is_channels_first() -> None:
    image = picture(5, 4)
    assert torch.equal(to_tensor(image), torch.from_numpy(np.array(image)).permute(2, 0, 1))


def test_round_trip_through_a_dictionary() -> None:
    import json

    preprocess = Preprocess(96, "pad", "lanczos", (1, 2, 3), 10_000)
    assert Preprocess.from_dict(json.loads(json.dumps(preprocess.to_dict()))) == preprocess
    with pytest.raises(ValueError, match="colour"):
        Preprocess.from_dict({**preprocess.to_dict(), "colour": 1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size must be at least 1, got 0"),
        ({"resize": "stretch"}, "resize must be one of crop, squash, pad, got 'stretch'"),
        ({"interpolation": "cubic"}, "interpolation must be one of"),
        ({"background": (0, 0)}, r"background must be three numbers in 0..255, got \[0, 0\]"),
        ({"background": (0, 0, 256)}, "background"),
        ({"max_pixels": 0}, "max_pixels"),
    ],
)
def test_wrong_settings(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocess(**arguments)
