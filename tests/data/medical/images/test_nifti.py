from __future__ import annotations

import gzip
import itertools
import logging
import pickle
import time

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.medical.images.nifti import Nifti
from concord.data.medical.images.volume import Volume, is_nifti, opened
from concord.errors import ConfigError, DataError
from tests.data.medical.volumes import CROWN, LIVER, NOSE, SPACING, body, encoded, stored

CODES = ["".join(codes) for order in itertools.permutations(["RL", "AP", "SI"]) for codes in itertools.product(*order)]
"""The 48 ways in which three axes can lie."""

WIDE = "250/500"
"""0 to 500 HU, in which every mark has a grey of its own."""


def grey(value: float) -> int:
    return round(value * 255 / 500)


def flat(axis: str, **options) -> Nifti:
    return Nifti(WIDE, axis, **options)  # type: ignore[arg-type]


def cubes() -> tuple[float, float, float]:
    return 1.0, 1.0, 1.0


@pytest.mark.parametrize("codes", CODES)
def test_marks_are_where_a_radiologist_looks_for_them_however_the_volume_is_stored(codes: str) -> None:
    """Patient's right on the left, front or head at the top, in sagittal slices the front on the left."""
    content = encoded(stored(body(), codes, spacing=cubes()))
    axial, coronal = flat("axial", position=0.5)(content), flat("coronal", position=0.4)(content)
    assert axial.shape == (10, 8)
    assert (axial[5:7, :2] == grey(LIVER)).all()  # right of the patient: columns 0 and 1
    assert (axial[:2, 3:5] == grey(NOSE)).all()
    assert (axial[:, 5:] == grey(40)).all()
    assert coronal.shape == (6, 8)
    assert (coronal[2:4, :2] == grey(LIVER)).all()
    assert (coronal[0, 3:5] == grey(CROWN)).all()
    sagittal = flat("sagittal", position=0.5)(content)
    assert sagittal.shape == (6, 10)
    assert (sagittal[2:4, :2] == grey(NOSE)).all()
    assert (sagittal[0, 5:7] == grey(CROWN)).all()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CODES), st.integers(0, 2), st.integers(0, 1000), st.booleans())
def test_slices_are_those_of_nibabels_canonical_volume(codes: str, number: int, seed: int, compressed: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-1000, 2000, tuple(rng.integers(2, 7, 3)), dtype=np.int16)
    image = stored(values, codes, slope=2.0, intercept=-7.0)
    axis = ("sagittal", "coronal", "axial")[number]
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image.from_bytes(encoded(image))).get_fdata()
    volume = Volume(opened(encoded(image, compressed), 1 << 20))
    for index in range(volume.length(axis)):  # type: ignore[arg-type]
        got = volume.slice(axis, index)  # type: ignore[arg-type]
        assert np.array_equal(got.values, np.take(canonical, index, axis=number).T[::-1, ::-1])
        columns, rows = (SPACING[other] for other in range(3) if other != number)
        assert got.spacing == (rows, columns)


def test_the_slope_is_applied_once() -> None:
    """Stored 1000 with slope 1 and intercept -1024 is -24 HU, neither 1000 nor -1048."""
    values = np.full((4, 4, 4), 1000, dtype=np.int16)
    content = encoded(stored(values, "LPS", slope=1.0, intercept=-1024.0))
    assert nibabel.Nifti1Image.from_bytes(content).get_fdata().max() == -24
    window = Nifti("-24/100")(content)
    assert np.unique(window).tolist() == [128]
    half = encoded(stored(values, slope=0.5, intercept=0.0))
    assert np.unique(Nifti("500/10")(half)).tolist() == [128]
    assert np.unique(Nifti("1000/10")(encoded(stored(values)))).tolist() == [128]


def test_padding_outside_of_the_scanner_is_cut_off_before_interpolation() -> None:
    """Between -3024 and soft tissue at 40 interpolation would make a rim of fat and air; between -1024 and 40 it makes half of that."""
    values = np.full((4, 6, 4), 40, dtype=np.int16)
    values[:, :3] = -3024
    thick = encoded(stored(values, spacing=(1.0, 4.0, 1.0)))
    picture = Nifti("-312/1424")(thick)  # -1024 to 400 HU
    clean = values.clip(-1024)
    assert np.array_equal(picture, Nifti("-312/1424")(encoded(stored(clean, spacing=(1.0, 4.0, 1.0)))))
    assert picture.shape == (24, 4)
    assert picture.max() == round(1064 * 255 / 1424)


def test_pixels_become_squares() -> None:
    content = encoded(stored(body(), spacing=SPACING))
    assert flat("axial")(content).shape == (15, 8)  # 10 rows of 3 mm beside 8 columns of 2 mm
    assert flat("coronal")(content).shape == (15, 8)
    assert flat("sagittal")(content).shape == (10, 10)
    almost = encoded(stored(body(), spacing=(1.0, 1.005, 1.0)))
    assert flat("axial")(almost).shape == (10, 8)


def test_position_picks_the_slice_from_feet_to_head() -> None:
    values = np.repeat(np.arange(11, dtype=np.int16)[None, None] * 40, 4, axis=0).repeat(5, axis=1)  # [4, 5, 11]
    content = encoded(stored(values, "LPI", spacing=cubes()))
    shown = flat("axial")
    assert [int(shown(content, position)[0, 0]) for position in (0.0, 0.1, 0.5, 1.0)] == [grey(v) for v in (0, 40, 200, 400)]
    assert np.array_equal(shown(content), shown(content, 0.5))
    assert np.array_equal(flat("axial", position=0.2)(content), shown(content, 0.2))
    with pytest.raises(ValueError, match=r"position must lie in \[0, 1\], got 7"):
        shown(content, 7)


def test_several_windows_are_channels() -> None:
    content = encoded(stored(body(), spacing=cubes()))
    both = Nifti([WIDE, "mediastinum", "bone"])(content)
    assert both.shape == (10, 8, 3)
    assert np.array_equal(both[..., 1], Nifti("mediastinum")(content))


def test_without_a_window_percentiles_of_the_whole_volume_are_black_and_white() -> None:
    """A slice that is darker than the others stays so."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1000, (20, 20, 9), dtype=np.int16)
    values[:, :, 0] //= 10
    content = encoded(stored(values, spacing=cubes()))
    low, high = np.percentile(values, (1, 99))
    shown = Nifti(percentiles=(1.0, 99.0))
    expected = np.rint((values[:, :, 4].clip(low, high) - low) * 255 / (high - low))
    assert np.abs(shown(content).astype(float) - expected.T[::-1, ::-1]).max() <= 1
    assert shown(content, 0.0).max() < 30
    assert np.unique(Nifti()(encoded(stored(np.zeros((3, 3, 3), np.int16))))).tolist() == [0]


def test_percentiles_of_large_volumes_come_from_a_sample() -> None:
    values = np.random.default_rng(0).normal(500, 100, (40, 50, 60)).astype(np.int16)
    volume = Volume(opened(encoded(stored(values)), 1 << 30))
    sample = volume.sample(5000)
    assert 4000 < len(sample) <= 5100
    assert np.abs(np.percentile(sample, (1, 50, 99)) - np.percentile(values, (1, 50, 99))).max() < 25


def test_the_last_volume_is_kept_for_its_next_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    opened.cache_clear()
    one, other = encoded(stored(body()), compressed=True), encoded(stored(body() + 1), compressed=True)
    shown = flat("axial")
    for content, position in ((one, 0.0), (bytes(bytearray(one)), 0.5), (one, 1.0), (other, 0.5), (other, 0.6)):
        shown(content, position)
    assert (opened.cache_info().misses, opened.cache_info().hits) == (2, 3)
    assert np.array_equal(pickle.loads(pickle.dumps(shown))(one), shown(one))


def test_series_say_which_volume() -> None:
    series = np.stack([body(), body() + 5], axis=-1)
    content = nibabel.Nifti1Image(series, np.diag([*cubes(), 1.0])).to_bytes()
    with pytest.raises(DataError, match="holds 2 volumes; say which with volume=0"):
        flat("axial")(content)
    first, second = (flat("axial", volume=number)(content) for number in (0, 1))
    assert np.array_equal(first, flat("axial")(encoded(stored(body(), spacing=cubes()))))
    assert second.min() == grey(45)
    with pytest.raises(DataError, match="holds 2 volumes, and volume is 2"):
        flat("axial", volume=2)(content)
    single = nibabel.Nifti1Image(series[..., :1], np.diag([*cubes(), 1.0])).to_bytes()
    assert np.array_equal(flat("axial")(single), first)


def test_files_that_do_not_say_which_side_is_left() -> None:
    image = nibabel.Nifti1Image(body(), None)
    image.header["pixdim"][1:4] = 1
    content = image.to_bytes()
    with pytest.raises(DataError, match="does not say which side is left; unoriented=assume"):
        flat("axial")(content)
    assumed = flat("axial", unoriented="assume")(content)
    assert (assumed[5:7, -2:] == grey(LIVER)).all()  # x is taken to grow to the left


def test_nifti_2_is_read() -> None:
    content = nibabel.Nifti2Image(body(), np.diag([*cubes(), 1.0])).to_bytes()
    assert is_nifti(content)
    assert np.array_equal(flat("axial")(content), flat("axial")(encoded(stored(body(), spacing=cubes()))))


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    header = encoded(stored(body()))[:352]
    bomb = gzip.compress(header + bytes(64 << 20), mtime=0)
    assert len(bomb) < 100_000
    start = time.process_time()
    with pytest.raises(DataError, match="unpacks to more than the limit of 1000000 bytes"):
        Nifti(max_bytes=1_000_000)(bomb)
    assert time.process_time() - start < 1
    with pytest.raises(DataError, match="holds 960 bytes of values, more than the limit of 900"):
        Nifti(max_bytes=900)(encoded(stored(body())))
    huge = bytearray(header)
    huge[40:56] = np.array([7, 32767, 32767, 32767, 1, 1, 1, 1], "<i2").tobytes()
    with pytest.raises(DataError, match="more than the limit"):
        Nifti()(bytes(huge))
    thin = encoded(stored(body(), spacing=(1e-7, 1.0, 1.0)))
    with pytest.raises(DataError, match="with square pixels a slice has"):
        Nifti()(thin)


def test_nothing_of_a_broken_file_is_told(caplog: pytest.LogCaptureFixture) -> None:
    whole = bytearray(encoded(stored(body())))
    whole[148 : 148 + 15] = b"patient99999 Do"  # descrip
    broken = {
        "cut": bytes(whole[:-10]),
        "header alone": bytes(whole[:200]),
        "kind of values": bytes(whole[:70] + b"\xff\x7f" + whole[72:]),
        "start": bytes(whole[:108] + np.array(-5e8, "<f4").tobytes() + whole[112:]),
        "something else": b"patient99999",
        "empty": b"",
        "gzip": gzip.compress(bytes(whole), mtime=0)[:-30],
        "not gzip": b"\x1f\x8b patient99999",
        "no direction": bytes(whole[:280] + bytes(48) + whole[328:]),
    }
    with caplog.at_level(logging.DEBUG):
        for content in broken.values():
            with pytest.raises(DataError) as error:
                Nifti()(content)
            assert "99999" not in str(error.value)
            assert "\n" not in str(error.value)
    assert "99999" not in caplog.text


def test_values_must_be_plain_numbers() -> None:
    colours = np.zeros((3, 3, 3), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for values in (colours, np.zeros((3, 3, 3), np.complex64)):
        with pytest.raises(DataError, match="no plain numbers"):
            Nifti()(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())
    holes = np.full((3, 3, 3), np.nan, np.float32)
    assert Nifti("lung")(nibabel.Nifti1Image(holes, np.eye(4)).to_bytes()).shape == (3, 3)
    with pytest.raises(DataError, match="must hold a volume of three axes"):
        Nifti()(nibabel.Nifti1Image(np.zeros((3, 3), np.int16), np.eye(4)).to_bytes())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "oblique"}, "axis must be one of sagittal, coronal, axial, got 'oblique'"),
        ({"position": 1.5}, r"position must lie in \[0, 1\], got 1.5"),
        ({"percentiles": (99.0, 1.0)}, "percentiles must be two numbers in rising order"),
        ({"volume": -1}, "volume must be at least 0, got -1"),
        ({"max_bytes": 0}, "max_bytes must be at least 1, got 0"),
        ({"unoriented": "guess"}, "unoriented must be one of refuse, assume"),
    ],
)
def test_settings_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Nifti(**options)  # type: ignore[arg-type]


def test_an_unknown_window_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="did you mean lung"):
        Nifti("lungs")
