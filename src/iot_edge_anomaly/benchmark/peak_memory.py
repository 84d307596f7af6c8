"""How much more memory a piece of work holds at its peak than before it: what Linux says of this process."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""proc(5): sets the peak of the resident memory to what is resident now."""


def with_peak_growth(work: Callable[[], Result]) -> tuple[Result, float | None]:
    """Run the work; return its result and the growth of resident memory at its peak in MB, None where unknown.

    Memory that earlier work gave back, and that the process kept for later, is not growth.
    """
    before = _reset()
    result = work()
    peak = _kilobytes("VmHWM")
    if before is None or peak is None:
        return result, None
    return result, max(peak - before, 0) / 1024


def _reset() -> int | None:
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return None
    return _kilobytes("VmRSS")


def _kilobytes(field: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)
