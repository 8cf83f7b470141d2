"""Blocks in two threads: everything done, failures told, one BLAS thread while anybody is at work."""

import threading

import numpy as np
import pytest

from matching.engine.parallel import _blas, one_blas_thread, run_blocks, spans


def blas_threads():
    return [library.num_threads for library in _blas().lib_controllers if library.user_api == "blas"]


def test_spans_cover_every_row_once():
    assert spans(0, 5) == []
    rows = np.concatenate([np.arange(23)[at] for at in spans(23, 5)])
    assert rows.tolist() == list(range(23))


def test_every_block_is_worked_on_and_counted():
    worked, told = [], []
    run_blocks(worked.append, list(range(20)), told.append)
    assert sorted(worked) == list(range(20)) and told == list(range(1, 21))


def test_a_failing_block_fails_the_call():
    def fail_at_3(number):
        if number == 3:
            raise ValueError("block 3")

    with pytest.raises(ValueError, match="block 3"):
        run_blocks(fail_at_3, list(range(6)))


def test_blas_is_given_back_as_it_was():
    before = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_the_limit_holds_until_the_last_of_overlapping_callers_is_done():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        inside.wait(10)
    # The other is still at work.
    assert set(blas_threads()) == {1}
    leave.set()
    thread.join(10)
