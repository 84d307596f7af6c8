"""Who goes first when every processor is busy: what raises alarms, before what can wait a moment."""

import errno
import os
import time
from pathlib import Path

BEHIND = 10
"""Niceness of what gives way: about a tenth of the processor time of one that does not, once there is not enough."""

_TRIES, _PAUSE_SECONDS = 10, 0.1


def give_way(niceness: int = BEHIND, *, autogroup: Path = Path("/proc/self/autogroup")) -> None:
    """Let others go first from now on, before this process and what it starts. While there is time for all, none waits.

    On Linux each session is a scheduling group, and between sessions only the niceness of the *group* counts (sched(7),
    autogroup); the kernel takes a change of one only every tenth of a second. Where there are no such groups the
    niceness of the process is what counts.
    """
    os.nice(max(0, niceness - os.nice(0)))
    for _ in range(_TRIES):
        try:
            autogroup.write_text(str(niceness))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                return
            time.sleep(_PAUSE_SECONDS)
        else:
            return
