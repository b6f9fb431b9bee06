"""Going through a source with several processes: in order, with the user's mistakes as one line."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from concord.data.parallel import CHUNK, in_chunks
from concord.errors import DataError


@pytest.mark.parametrize("workers", [0, 2])
def test_everything_comes_once_and_in_order(workers: int) -> None:
    indices = list(range(3 * CHUNK + 5, 0, -1))
    chunks = list(in_chunks(list, indices, workers))
    assert [count for count, _ in chunks] == [CHUNK, CHUNK, CHUNK, 5]
    assert [index for _, chunk in chunks for index in chunk] == indices
    assert list(in_chunks(list, [], workers)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mistake_comes_back_as_itself(workers: int) -> None:
    def fail(indices: Sequence[int]) -> int:
        if indices[0] > 0:
            raise DataError("column 'x' is gone")
        return 1

    with pytest.raises(DataError, match=r"^column 'x' is gone$"):
        list(in_chunks(fail, range(3 * CHUNK), workers))


def test_a_killed_process_is_named_as_such() -> None:
    def die(indices: Sequence[int]) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    with pytest.raises(DataError, match=r"a reading process was killed, most likely for lack of memory; choose fewer task.workers"):
        list(in_chunks(die, range(CHUNK), workers=1))
