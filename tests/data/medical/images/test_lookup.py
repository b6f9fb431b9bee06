"""Grey values: the tables against pydicom's own functions in float64, percentiles against NumPy's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.medical.images import Dicom
from concord.data.medical.images.lookup import TABLES, Cells, Percentiles, Rendering, Rescale, Stretch, Table, Window, _kept, render, shown
from concord.errors import DataError
from tests.data.medical.dicoms import dicom_bytes, ramp
from tests.data.medical.images.plain import plain_picture

EIGHTHS = st.integers(-16000, 16000).map(lambda number: number / 8)
WIDTHS = EIGHTHS.map(lambda number: abs(number) + 1)
SLOPES = st.sampled_from([1.0, 0.25, 2.5, 0.07, -1.0, -0.5])
FUNCTIONS = st.sampled_from([None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])


@st.composite
def layouts(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    """Pixels with anything in their unused bits, and how they are stored."""
    dtype = np.dtype(draw(st.sampled_from(["u1", "i1", "u2", "i2"])))
    bits = draw(st.integers(2, 8 * dtype.itemsize))
    pixels = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (7, 9, dtype.itemsize), np.uint8).view(dtype)[..., 0]
    photometric = draw(st.sampled_from(["MONOCHROME1", "MONOCHROME2"]))
    return pixels, {"bits_stored": bits, "photometric": photometric}


@st.composite
def tables(draw: st.DrawFn, bits: tuple[int, ...]) -> tuple[int, int, np.ndarray]:
    depth, count = draw(st.sampled_from(bits)), draw(st.integers(1, 127))
    entries = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 2**depth, count)
    return draw(st.integers(0, 120)), depth, entries


def as_table(first: int, bits: int, entries: np.ndarray) -> Table:
    return Table(first, bits, entries.astype("<u2").tobytes())


@settings(max_examples=120, deadline=None)
@given(layout=layouts(), window=st.tuples(EIGHTHS, WIDTHS), function=FUNCTIONS, slope=SLOPES, intercept=EIGHTHS)
def test_a_window_after_a_rescale_equals_pydicom_to_the_bit(layout, window, function, slope, intercept) -> None:
    pixels, stored = layout
    content = dicom_bytes(pixels, window=window, slope=slope, intercept=intercept, VOILUTFunction=function, **stored)

    assert (Dicom()(content) == plain_picture(content)).all()


@settings(max_examples=60, deadline=None)
@given(layout=layouts(), modality=tables(bits=(8, 16)), window=st.tuples(EIGHTHS, WIDTHS))
def test_a_window_after_a_modality_table_equals_pydicom(layout, modality, window) -> None:
    pixels, stored = layout
    content = dicom_bytes(pixels, window=window, modality_lut=modality, **stored)

    assert (Dicom()(content) == plain_picture(content)).all()


@settings(max_examples=60, deadline=None)
@given(layout=layouts(), voi=tables(bits=(10, 12, 16)))
def test_a_voi_table_equals_pydicom_and_goes_before_a_window(layout, voi) -> None:
    pixels, stored = layout
    content = dicom_bytes(pixels, window=(10, 5), voi_lut=voi, **stored)

    assert (Dicom()(content) == plain_picture(content)).all()


@pytest.mark.parametrize("narrow", [False, True])
def test_entries_of_8_bits_may_lie_in_cells_of_8_or_of_16(narrow: bool) -> None:
    """Looked up by hand: pydicom cannot read the first kind, and takes places in tables of 8 bits modulo 256."""
    entries = np.random.default_rng(0).integers(0, 256, 1000)
    content = dicom_bytes(voi_lut=(500, 8, entries))
    if narrow:
        content = content.replace(entries.astype("<u2").tobytes(), entries.astype(np.uint8).tobytes())
        content = content.replace(b"OW\0\0" + (2000).to_bytes(4, "little"), b"OW\0\0" + (1000).to_bytes(4, "little"))
        content = _with_shorter_sequence(content, 1000)

    assert (Dicom()(content) == entries[(ramp().astype(int) - 500).clip(0, 999)]).all()


def _with_shorter_sequence(content: bytes, by: int) -> bytes:
    """The lengths of the VOI LUT sequence and of its one item made less."""
    place = content.index(b"\x28\x00\x10\x30SQ") + 8
    for start in (place, place + 8):
        length = int.from_bytes(content[start : start + 4], "little") - by
        content = content[:start] + length.to_bytes(4, "little") + content[start + 4 :]
    return content


@settings(max_examples=60, deadline=None)
@given(
    stored=st.integers(2, 16),
    signed=st.booleans(),
    shift=st.integers(0, 14),
    modality=st.none() | st.builds(Rescale, SLOPES, EIGHTHS) | tables(bits=(8, 11)).map(lambda table: as_table(*table)),
    voi=st.none() | st.builds(Window, EIGHTHS, WIDTHS) | EIGHTHS.map(lambda low: Stretch(low, low + 100)),
    inverted=st.booleans(),
)
def test_looking_up_equals_working_out_each_pixel(stored, signed, shift, modality, voi, inverted) -> None:
    rendering = Rendering(Cells(16, stored, min(shift, 16 - stored), signed), modality, voi, inverted)
    cells = np.random.default_rng(stored).integers(0, 65536, (30, 40), np.uint16)

    assert (render(cells, rendering) == shown(rendering.cells.values(cells), rendering)).all()


def test_cells_of_32_bits_are_worked_out_one_by_one() -> None:
    cells = (np.arange(12, dtype=np.uint32) * 300_000_000).reshape(3, 4)

    picture = render(cells, Rendering(Cells(32, 32)))

    assert (picture == (cells / (2**32 - 1) * 255).round()).all()


@pytest.mark.parametrize(("signed", "expected"), [(False, [0, 5, 15]), (True, [0, 5, -1])])
def test_values_between_unused_bits(signed: bool, expected: list[int]) -> None:
    cells = np.array([0b1100_0000, 0b0001_0110, 0b0011_1101], dtype=np.uint8)

    assert Cells(8, 4, 2, signed).values(cells).tolist() == expected


def test_values_of_clean_cells_are_not_masked() -> None:
    assert Cells(16, 12, masked=False).values(np.array([5000], np.uint16)).tolist() == [5000]
    assert Cells(16, 12, signed=True, masked=False).values(np.array([65036], np.uint16)).tolist() == [-500]


def test_linear_and_exact_windows_by_hand() -> None:
    values = np.array([0, 1, 2, 3, 4, 5], dtype=np.float64)

    linear = Window(2.5, 4)(values, 0, 255)  # centre 2, width 3: from 0.5 to 3.5
    exact = Window(2.5, 4, "LINEAR_EXACT")(values, 0, 255)  # from 0.5 to 4.5
    sigmoid = Window(2, 4, "SIGMOID")(values, 0, 255)

    assert linear == pytest.approx([0, 255 / 6, 127.5, 255 * 5 / 6, 255, 255])
    assert exact == pytest.approx([0, 255 / 8, 255 * 3 / 8, 255 * 5 / 8, 255 * 7 / 8, 255])
    assert sigmoid[2] == 127.5
    assert sigmoid[4] == pytest.approx(255 / (1 + np.exp(-2)))


def test_a_linear_window_of_width_one_is_a_step() -> None:
    assert Window(3, 1)(np.array([2.0, 2.5, 3.0]), 0, 255).tolist() == [0, 0, 255]


@pytest.mark.parametrize(("width", "function"), [(0.5, "LINEAR"), (0, "LINEAR_EXACT"), (-1, "SIGMOID")])
def test_windows_that_are_too_narrow_are_refused(width: float, function: Any) -> None:
    with pytest.raises(DataError, match="too narrow"):
        Window(0, width, function)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    count=st.integers(1, 60),
    percentiles=st.sampled_from([(0.0, 100.0), (0.5, 99.5), (10.0, 60.0)]),
    slope=SLOPES,
    dtype=st.sampled_from(["u1", "u2", "u4"]),
)
def test_percentiles_equal_numpy_of_the_values_that_are_no_padding(seed, count, percentiles, slope, dtype) -> None:
    cells = np.random.default_rng(seed).integers(0, 200, count).astype(dtype)
    rendering = Rendering(Cells(8 * cells.dtype.itemsize, 8), Rescale(slope, -3.0))
    kept = cells[(cells < 20) | (cells > 30)]
    if not len(kept):
        kept = cells[:1] = 5
        kept = cells[(cells < 20) | (cells > 30)]
    values = kept * slope - 3.0
    low, high = (np.percentile(values, q, method=m) for q, m in zip(percentiles, ("lower", "higher"), strict=True))

    picture = render(cells, replace(rendering, voi=Percentiles(*percentiles, padding=(20, 30))))

    assert (picture == shown(cells.astype(np.int64), replace(rendering, voi=Stretch(low, high)))).all()


def test_a_picture_of_padding_alone_is_refused() -> None:
    with pytest.raises(DataError, match="nothing but padding"):
        render(np.full((3, 3), 7, np.uint16), Rendering(Cells(16, 16), voi=Percentiles(1, 99, (7, 7))))


def test_a_picture_of_one_value_is_black() -> None:
    assert not render(np.full((3, 3), 7, np.uint16), Rendering(Cells(16, 16), voi=Percentiles(1, 99))).any()


def test_tables_are_kept_up_to_a_number_and_those_of_one_picture_never() -> None:
    _kept.cache_clear()
    cells = ramp()
    for centre in range(TABLES + 10):
        render(cells, Rendering(Cells(16, 12), voi=Window(centre, 50)))
    render(cells, Rendering(Cells(16, 12), voi=Percentiles(1, 99)))
    render(cells, Rendering(Cells(16, 12), voi=Window(TABLES + 9, 50)))

    assert _kept.cache_info().currsize == TABLES
    assert _kept.cache_info().hits == 1
    assert _kept.cache_info().misses == TABLES + 10
