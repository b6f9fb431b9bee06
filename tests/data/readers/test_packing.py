from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest

from concord.data.readers.packing import checksum, pack

SCHEMA = pa.schema(
    [
        ("name", pa.large_binary()),
        ("place", pa.float64()),
        ("label", pa.int32()),
        ("findings", pa.large_list(pa.int8())),
        ("captions", pa.large_list(pa.large_binary())),
    ]
)
ROWS = [
    (b"a", None, 3, (1, 0, -1), (b"one", b"two")),
    (b"bc", 0.5, None, (), ()),
    (b"", 1.0, 0, (1,), (b"",)),
    (b"d", 0.0, 7, (0,), (b"x",)),
]


def test_the_checksum_is_that_of_the_values_however_they_lie_in_memory() -> None:
    packed = pack(ROWS, SCHEMA)
    assert checksum(pickle.loads(pickle.dumps(packed))) == checksum(packed)
    assert checksum(packed.take(pa.array(np.arange(4)))) == checksum(packed)
    assert checksum(pack(ROWS[1:3], SCHEMA)) == checksum(packed.slice(1, 2)) == checksum(packed.take(pa.array([1, 2])))


@pytest.mark.parametrize(
    "changed",
    [
        [ROWS[1], ROWS[0], *ROWS[2:]],
        ROWS[:3],
        [(b"ab", *ROWS[0][1:]), (b"c", *ROWS[1][1:]), *ROWS[2:]],
        [(b"a", 0.0, *ROWS[0][2:]), *ROWS[1:]],
        [(*ROWS[0][:3], (1, 0), ROWS[0][4]), (*ROWS[1][:3], (-1,), ()), *ROWS[2:]],
        [(*ROWS[0][:4], (b"onetwo",)), *ROWS[1:]],
    ],
)
def test_the_checksum_changes_with_any_value_and_with_their_order(changed: list[tuple[object, ...]]) -> None:
    assert checksum(pack(changed, SCHEMA)) != checksum(pack(ROWS, SCHEMA))
