"""What a process does about the machine that it shares with the others (layer: core)."""

import ctypes
import gc
import os

# glibc's number for the largest count of arenas that malloc may open.
_M_ARENA_MAX = -8
_ARENAS = 2
_NICENESS = 10


def hold_little_memory() -> None:
    """Let all threads allocate from a few arenas: each of its own keeps what its thread has freed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc alone has arenas
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def keep_loaded() -> None:
    """Spare what is loaded from garbage collection, for good: after loading, in a parent before it forks.

    A full collection walks everything that was ever imported, and all threads of the process wait for it, a
    tenth of a second. A fork also shares the more with its parent the less is walked.
    """
    gc.collect()
    gc.freeze()


def give_way() -> None:
    """Leave the cores to whoever answers somebody; on Linux this thread and those that it starts."""
    os.nice(max(0, _NICENESS - os.nice(0)))
