"""Tie a process to its parent and a data folder to one system."""

import ctypes
import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iot_edge_anomaly.core.errors import ConfigError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_forked_by: list[int] = []


def _remember_who_forks() -> None:
    _forked_by[:] = [os.getpid()]


os.register_at_fork(before=_remember_who_forks)


def die_with_parent(sig: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send `sig` to this process when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG).

    Usable as `preexec_fn`; survives exec. Start children from the main thread, or they end with a worker thread.
    """
    if _LIBC.prctl(_PR_SET_PDEATHSIG, int(sig), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    is_child = _forked_by not in ([], [os.getpid()])
    if is_child and _forked_by != [os.getppid()]:
        # The parent went before the call took effect: nothing would ever end us. (It may be process 1 of a container.)
        os._exit(1)


@contextmanager
def sole_owner(data_dir: Path) -> Iterator[None]:
    """Hold the lock of a data folder. Raises ConfigError naming the process that holds it already."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise ConfigError(
                f"{data_dir} is in use by process {lock.read().strip() or 'unknown'}; "
                "stop it first, or name another folder with --data-dir"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_owned(data_dir: Path) -> bool:
    """Tell whether a running process holds the lock of a data folder."""
    path = data_dir / "lock"
    if not path.exists():
        return False
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
