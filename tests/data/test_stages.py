from __future__ import annotations

import multiprocessing
import os
import time

import pytest

from concord.data.stages import Board, show_on, stage, take_seconds


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    take_seconds()


def test_seconds_count_for_the_inner_stage_alone() -> None:
    started = time.monotonic()
    with stage("collate"):
        time.sleep(0.01)
        with stage("read", example=3):
            time.sleep(0.03)
        with pytest.raises(KeyError), stage("decode"):
            raise KeyError
    seconds = take_seconds()
    assert seconds["read"] >= 0.03
    assert seconds["collate"] >= 0.01
    assert seconds["decode"] >= 0
    assert sum(seconds.values()) <= time.monotonic() - started
    assert take_seconds() == {}


def test_the_board_shows_the_stage_and_the_example() -> None:
    board = Board(2)
    assert board.read(1) == (0, None, None, 0.0)
    show_on(board, 1)
    assert board.read(1)[:3] == (os.getpid(), None, None)
    with stage("collate"):
        with stage("read", example=7):
            assert board.read(1)[:3] == (os.getpid(), "read", 7)
            time.sleep(0.02)
            assert 0.02 <= board.read(1).seconds < 60
        assert board.read(1)[:3] == (os.getpid(), "collate", 7)
    assert board.read(1)[:3] == (os.getpid(), None, None)
    assert board.read(0).pid == 0


def _work(board: Board) -> None:
    show_on(board, 0)
    with stage("transform", example=2**40):
        os._exit(0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_leaves_its_last_entry_behind(method: str) -> None:
    board = Board(1)
    process = multiprocessing.get_context(method).Process(target=_work, args=(board,))
    process.start()
    process.join(60)
    assert board.read(0)[:3] == (process.pid, "transform", 2**40)
