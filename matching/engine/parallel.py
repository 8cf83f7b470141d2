"""Two threads with one BLAS thread each; results do not depend on which thread takes which block."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

THREADS = min(2, os.cpu_count() or 1)
_Block = TypeVar("_Block")


@cache
def _blas() -> ThreadpoolController:
    # Looking for the loaded libraries takes milliseconds, so it is done once.
    return ThreadpoolController()


_lock = threading.Lock()
_users = 0
_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS with one thread: several would compete with ours and change the order of sums.

    The limit is the process's, so of overlapping callers the first sets it and the last lifts it (which
    OpenBLAS heeds from the main thread only; a process of other threads stays at one).
    """
    global _users, _limit
    with _lock:
        if _users == 0:
            _limit = _blas().limit(limits=1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limit.restore_original_limits()


def spans(total: int, step: int) -> list[slice]:
    """Slices of at most `step` that cover `total` rows."""
    return [slice(start, min(start + step, total)) for start in range(0, total, step)]


def run_blocks(
    work: Callable[[_Block], None],
    blocks: Sequence[_Block],
    done: Callable[[int], None] | None = None,
) -> None:
    """Work on every block; `done` is told the number of finished blocks, from the calling thread."""
    with one_blas_thread():
        if len(blocks) < 2 or THREADS < 2:
            for number, block in enumerate(blocks, 1):
                work(block)
                if done:
                    done(number)
            return
        with ThreadPoolExecutor(THREADS, thread_name_prefix="engine") as pool:
            futures = [pool.submit(work, block) for block in blocks]
            for number, future in enumerate(as_completed(futures), 1):
                future.result()
                if done:
                    done(number)
