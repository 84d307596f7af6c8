"""Who goes first when every processor is busy: what raises alarms, before what can wait a moment."""

import ctypes
import errno
import os
import platform
import struct
import time
from pathlib import Path

BEHIND = 10
"""Niceness of what gives way: about a tenth of the processor time of one that does not, once there is not enough."""

TURN_NS = 50_000_000
"""How long a turn of what gives way is, in nanoseconds. Who wakes up and wants a shorter one interrupts it at once."""

_TRIES, _PAUSE_SECONDS = 10, 0.1
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_ATTRIBUTES = "IIQiIQQQ"
"""`struct sched_attr` of sched_setattr(2): size, policy, flags, nice, priority, runtime, deadline, period."""


def give_way(niceness: int = BEHIND) -> None:
    """Let others go first from now on, before this process and what it starts. While there is time for all, none waits.

    Less of the time is not enough: one that wakes up waits until the turn of one that runs is over, however nice that
    is. From Linux 6.12 on a process may ask for long turns, and is interrupted in them by those who ask for short ones.

    Only who leads a session speaks for it: what was started by hand shares that of the shell, and of all in it.
    """
    os.nice(max(0, niceness - os.nice(0)))
    _take_long_turns(os.nice(0))
    if os.getsid(0) == os.getpid():
        let_session_give_way(niceness, Path("/proc/self/autogroup"))


def let_session_give_way(niceness: int, autogroup: Path) -> None:
    """Let a whole session give way, by the `autogroup` of one of its processes under /proc.

    On Linux each session is a scheduling group, and between sessions only the niceness of the *group* counts (sched(7),
    autogroup); the kernel takes a change of one only every tenth of a second. Where there are no such groups the
    niceness of the process is what counts.
    """
    for _ in range(_TRIES):
        try:
            autogroup.write_text(str(niceness))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                return
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _take_long_turns(niceness: int) -> None:
    """Ask for long turns, and not to interrupt others by waking up. A kernel that knows no such wish does not mind."""
    if number := _SCHED_SETATTR.get(platform.machine()):
        size = struct.calcsize(_ATTRIBUTES)
        wish = struct.pack(_ATTRIBUTES, size, os.SCHED_BATCH, 0, niceness, 0, TURN_NS, 0, 0)
        ctypes.CDLL(None).syscall(number, 0, wish, 0)
