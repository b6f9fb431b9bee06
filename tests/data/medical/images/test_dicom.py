"""DICOM to grey values: what is done in which order."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from concord.data.medical.images import Dicom
from concord.errors import ConfigError, DataError
from tests.data.medical.dicoms import dicom_bytes, ramp


def test_monochrome1_is_monochrome2_inverted_once() -> None:
    for stored in ({"window": (2000, 900)}, {}, {"voi_lut": (0, 8, np.arange(256))}, {"slope": -2, "intercept": 7}):
        one, two = (Dicom()(dicom_bytes(photometric=f"MONOCHROME{n}", **stored)) for n in (1, 2))

        assert (one == 255 - two).all()
        assert one.std() > 0


def test_of_several_windows_the_index_picks_one() -> None:
    content = dicom_bytes(window=([1000, 3000], [500, 500]))

    first, second = (Dicom(voi_index=index)(content) for index in (0, 1))

    assert (first == Dicom()(dicom_bytes(window=(1000, 500)))).all()
    assert (second == Dicom()(dicom_bytes(window=(3000, 500)))).all()
    assert (first != second).any()
    with pytest.raises(DataError, match="has 2 windows or VOI tables, and voi_index is 2"):
        Dicom(voi_index=2)(content)


def test_of_several_voi_tables_the_index_picks_one() -> None:
    content = _with_tables(np.arange(4096) // 16, np.arange(4096)[::-1] // 16)

    assert (Dicom(voi_index=1)(content) == 255 - Dicom()(content)).all()


def _with_tables(*entries: np.ndarray) -> bytes:
    items = []
    for table in entries:
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [len(table), 0, 8])
        item.add_new("LUTData", "OW", table.astype("<u2").tobytes())
        items.append(item)
    return dicom_bytes(VOILUTSequence=Sequence(items))


def test_linear_and_linear_exact_differ_as_the_standard_says() -> None:
    pixels = np.arange(0, 12, dtype=np.uint8).reshape(3, 4)
    linear, exact = (Dicom()(dicom_bytes(pixels, window=(5, 4), VOILUTFunction=name)) for name in ("LINEAR", "LINEAR_EXACT"))

    assert linear.ravel()[:8].tolist() == [0, 0, 0, 0, 85, 170, 255, 255]  # from 3 to 6
    assert exact.ravel()[:8].tolist() == [0, 0, 0, 0, 64, 128, 191, 255]  # from 3 to 7


def test_an_unknown_window_function_is_refused() -> None:
    with pytest.raises(DataError, match=r"none of LINEAR, LINEAR_EXACT, SIGMOID$"):
        Dicom()(dicom_bytes(window=(5, 4), VOILUTFunction="CUBIC"))


def test_the_rescale_comes_before_the_window() -> None:
    """A window in Hounsfield units would show nothing of what is stored."""
    content = dicom_bytes(window=(40, 400), slope=1, intercept=-1024)

    picture = Dicom()(content).astype(float)

    expected = ((ramp() - 1024.0 - 39.5) / 399 + 0.5).clip(0, 1) * 255
    assert np.abs(picture - expected).max() <= 0.5 + 1e-9
    assert np.unique(picture).size > 20


def test_a_negative_slope_leaves_high_values_bright() -> None:
    picture = Dicom()(dicom_bytes(window=(-2000, 1000), slope=-1, intercept=0))

    assert picture[0, 0] == 255
    assert picture[-1, -1] == 0


def test_without_a_window_percentiles_leave_padding_out() -> None:
    pixels = ramp(low=1000, high=2000).astype(np.int16)
    pixels[:10] = -2000

    padded = Dicom(percentiles=(0, 100))(dicom_bytes(pixels, PixelPaddingValue=-2000))
    limited = Dicom(percentiles=(0, 100))(dicom_bytes(pixels, PixelPaddingValue=-2500, PixelPaddingRangeLimit=-1999))
    plain = Dicom(percentiles=(0, 100))(dicom_bytes(pixels))

    kept = pixels[10:].astype(float)
    assert (padded == limited).all()
    assert np.abs(padded[10:] - (kept - kept.min()) / np.ptp(kept) * 255).max() <= 0.5
    assert not padded[:10].any()
    assert plain[10:].min() > 170


def test_padding_may_be_written_without_its_sign() -> None:
    pixels = ramp(low=0, high=2000).astype(np.int16)
    pixels[:10] = -2000
    signed = dicom_bytes(pixels, PixelPaddingValue=-2000, PixelRepresentation=1)
    cell = np.int16(-2000).tobytes()
    place = signed.index(b"\x28\x00\x20\x01SS\x02\x00" + cell)
    unsigned = signed[:place] + b"\x28\x00\x20\x01US\x02\x00" + signed[place + 8 :]

    assert (Dicom()(signed) == Dicom()(unsigned)).all()
    assert (Dicom()(signed) != Dicom()(dicom_bytes(pixels))).any()


def test_percentiles_can_be_switched_off() -> None:
    picture = Dicom(percentiles=None)(dicom_bytes(ramp(high=2047), bits_stored=12))

    assert (picture == (ramp(high=2047) / 4095 * 255).round()).all()


@pytest.mark.parametrize("high", [11, 13, 15])
def test_the_high_bit_says_where_values_stand(high: int) -> None:
    pixels = ramp() << (high - 11) | (1 if high > 11 else 0)  # with something in an unused bit

    picture = Dicom()(dicom_bytes(pixels, bits_stored=12, HighBit=high, window=(2000, 3000)))

    assert (picture == Dicom()(dicom_bytes(window=(2000, 3000)))).all()


def test_overlays_in_unused_bits_are_not_seen() -> None:
    overlaid = ramp() | (np.indices((36, 48)).sum(0) % 2 << 15).astype(np.uint16)

    assert (Dicom()(dicom_bytes(overlaid, bits_stored=12, window=(2000, 3000))) == Dicom()(dicom_bytes(window=(2000, 3000)))).all()


def test_cells_of_32_and_of_1_bit() -> None:
    wide = Dicom()(dicom_bytes(ramp(dtype=np.uint32), bits_stored=12, window=(2000, 3000)))
    bits = (np.arange(64).reshape(8, 8) % 3 == 0).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").reshape(2, 4)
    single = dicom_bytes(packed, BitsAllocated=1, BitsStored=1, HighBit=0, Rows=8, Columns=8)

    assert (wide == Dicom()(dicom_bytes(window=(2000, 3000)))).all()
    assert (Dicom()(single) == 255 * bits).all()


def test_windows_of_ct_are_in_hounsfield_units_whatever_the_file_says() -> None:
    content = dicom_bytes(slope=1, intercept=-1024, window=(0, 10), photometric="MONOCHROME1")
    units = ramp() - 1024.0

    lung = Dicom(window="lung")(content)
    pair = Dicom(window=["lung", "40/400"])(content)

    assert np.abs(lung - ((units + 1350) / 1500).clip(0, 1) * 255).max() <= 0.5
    assert (pair[..., 0] == lung).all()
    assert np.abs(pair[..., 1] - ((units + 160) / 400).clip(0, 1) * 255).max() <= 0.5
    assert not pair[..., 2].any()


def test_windows_of_ct_need_a_rescale_and_a_known_name() -> None:
    with pytest.raises(DataError, match="needs a DICOM file with RescaleSlope"):
        Dicom(window="lung")(dicom_bytes())
    with pytest.raises(ConfigError, match="lung"):
        Dicom(window="lnug")
