"""Which process has a job, and whether that process is gone (layer: pure).

A lease ends what nobody renews, after seconds. A process on this machine that was killed is known to be gone
at once: its number is free, or another process has it by now. Elsewhere, in another container, or on a system
that has no /proc, nothing is known, and the lease decides.
"""

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
# Of the fields behind the name in /proc/PID/stat (proc(5)): the state, and the ticks from boot to the start.
_STATE, _STARTED = 0, 19


def this_process() -> str:
    """Return a name of this process that no other has, at any time or place; "" where none can be had."""
    return _name_of(os.getpid())


def is_gone(holder: str) -> bool:
    """Whether the process of that name ran on this machine and has ended; False when that is not known."""
    place, _, rest = holder.rpartition("/")
    number, _, started = rest.partition("-")
    if not place or place != _place():
        return False
    pid = int(number)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's, whose /proc may be hidden
        return False
    stat = _stat(pid)
    return bool(stat) and (stat[_STARTED] != started or stat[_STATE] in "ZX")


@cache
def _name_of(pid: int) -> str:
    """By number: a child that was forked has a name of its own."""
    place, stat = _place(), _stat(pid)
    return f"{place}/{pid}-{stat[_STARTED]}" if place and stat else ""


@cache
def _place() -> str:
    """Return the boot of this machine and its namespace of process numbers."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat(_PROC / 'self/ns/pid').st_ino}"
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name, in parentheses, may hold anything
