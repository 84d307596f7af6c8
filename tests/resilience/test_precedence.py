"""Who gives way, to whom, and that the kernel was told in the words that it understands."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from iot_edge_anomaly.app.roles import LATER, ROLES
from iot_edge_anomaly.resilience.precedence import let_session_give_way

GROUP = Path("/proc/self/autogroup")
PROGRAM = """
import os, pathlib, platform, subprocess, sys
from iot_edge_anomaly.resilience.precedence import give_way
give_way(7)
group = pathlib.Path("/proc/self/autogroup")
print(os.nice(0), group.read_text().split()[-1] if group.exists() else 7)
print(os.sched_getscheduler(0) == os.SCHED_BATCH or platform.machine())
sys.stdout.flush()
subprocess.run([sys.executable, "-c", "import os; print(os.nice(0))"], check=True)
"""


def test_a_process_and_its_children_give_way_as_a_group() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, start_new_session=True
    )
    niceness, of_group, is_batch, of_child = done.stdout.split()
    assert (niceness, of_group, of_child) == ("7", "7", "7")
    assert is_batch == "True" or is_batch not in ("x86_64", "aarch64")


@pytest.mark.skipif(not GROUP.exists(), reason="this kernel has no scheduling groups of sessions")
def test_what_was_started_by_hand_leaves_the_session_of_the_shell_as_it_is() -> None:
    before = GROUP.read_text()
    program = "from iot_edge_anomaly.resilience.precedence import give_way as g; import os; g(9); print(os.nice(0))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, GROUP.read_text()) == ("9\n", before)


class Kernel:
    """Refuses to change a group with these errors first."""

    def __init__(self, refusals: list[int]) -> None:
        self.refusals, self.taken = refusals, ""

    def write_text(self, text: str) -> None:
        if self.refusals:
            raise OSError(self.refusals.pop(0), "refused")
        self.taken = text


@pytest.mark.parametrize(
    ("refusals", "taken"),
    [([errno.EAGAIN, errno.EAGAIN], "10"), ([errno.ENOENT, errno.ENOENT], ""), ([errno.EACCES], "")],
)
def test_a_kernel_that_is_busy_is_asked_again_and_one_without_groups_is_not(
    refusals: list[int], taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iot_edge_anomaly.resilience.precedence.time.sleep", lambda _: None)
    kernel = Kernel(refusals)
    let_session_give_way(10, kernel)  # type: ignore[arg-type]  # what of a path is used
    assert kernel.taken == taken


def test_nothing_that_takes_in_scores_or_hands_on_gives_way() -> None:
    assert set(ROLES) - LATER == {"worker", "connectors", "gateway", "views", "sinks", "edge"}
