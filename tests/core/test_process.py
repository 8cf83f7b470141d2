"""What a process asks of the machine, each in a process of its own: none of it can be taken back."""

import os
import subprocess
import sys

import pytest

from tests.isolation import SERVICES

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="arenas and niceness of threads: Linux"),
    pytest.mark.skipif(SERVICES, reason="asks neither a database nor a broker: once is enough"),
]

# Eight threads allocate at once, then the C library tells of its arenas on stderr.
ARENAS = """
import ctypes, threading
from matchmaker.core.process import hold_little_memory
if {is_held}:
    hold_little_memory()
libc, all_there = ctypes.CDLL(None), threading.Barrier(8)
libc.malloc.restype = ctypes.c_void_p
def allocate():
    all_there.wait()
    libc.malloc(ctypes.c_size_t(5_000))
    all_there.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_stats()
"""
FROZEN = """
import gc
from matchmaker.core.process import keep_loaded
before = gc.get_freeze_count()
keep_loaded()
print(before, gc.get_freeze_count() > 1_000, gc.isenabled())
"""
NICE = """
import os, threading
from matchmaker.core.process import give_way
kept = threading.Event()
threading.Thread(target=kept.wait, daemon=True).start()
give_way()
give_way()
follows = threading.Thread(target=lambda: print(os.getpriority(os.PRIO_PROCESS, 0)))
follows.start()
follows.join()
"""


SERVED = """
import gc
import matchmaker.wsgi
print(gc.get_freeze_count() > 50_000)
"""


def run(text: str, **env: str) -> subprocess.CompletedProcess[str]:
    command, env = [sys.executable, "-c", text], {**os.environ, **env}
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=env)


def test_threads_share_two_arenas():
    held, free = (run(ARENAS.format(is_held=is_held)).stderr.count("\nArena ") for is_held in (True, False))
    assert held <= 2 < free, "or this machine's malloc would have shared them anyway"


def test_what_is_loaded_is_never_walked_again():
    assert run(FROZEN).stdout.split() == ["0", "True", "True"]


def test_web_keeps_what_it_has_loaded_before_it_forks(tmp_path):
    assert run(SERVED, MATCHMAKER_VAR_DIR=str(tmp_path)).stdout.strip() == "True"


def test_a_thread_that_gives_way_does_so_once_and_for_all_that_follow():
    assert run(NICE).stdout.strip() == "10"
