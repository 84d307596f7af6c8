"""Children end with their parent, also one that went before they were tied to it, and also where it is process 1."""

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

START = "from iot_edge_anomaly.resilience.tether import die_with_parent; import subprocess, os, sys, time;"
TIED = "subprocess.Popen(['sleep', '60'], preexec_fn=die_with_parent, start_new_session=True)"
UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc"]


def has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} outlived its parent"
        time.sleep(0.02)  # polls a condition with a deadline


def test_a_child_ends_when_its_parent_is_killed() -> None:
    program = f"{START} print({TIED}.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.send_signal(signal.SIGKILL)
        until_gone(child)


def test_a_child_whose_parent_was_gone_before_it_was_tied_ends_by_itself() -> None:
    program = f"""{START}
if os.fork() == 0:
    parent = os.getppid()
    while os.getppid() == parent: time.sleep(0.01)
    die_with_parent()
    print("lives on", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == ""


@pytest.mark.skipif(not has_namespaces(), reason="needs the right to make a process namespace: run as root on Linux")
def test_children_of_process_1_live() -> None:
    program = f"{START} child = {TIED}; print(os.getpid(), child.poll(), flush=True); child.kill(); child.wait()"
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-c", program], capture_output=True, text=True, timeout=30, env={**os.environ}
    )
    assert done.stdout == "1 None\n"
