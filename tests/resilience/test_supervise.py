import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import msgspec
import psutil
import pytest

from iot_edge_anomaly.core.errors import ConfigError, FatalError
from iot_edge_anomaly.resilience.supervise import ProcessInfo, ProcessSpec, Supervisor
from iot_edge_anomaly.resilience.tether import sole_owner

SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); [signal.pause() for _ in iter(int, 1)]",
)
MISCONFIGURED = (sys.executable, "-c", "import sys; print('key x is wrong'); sys.exit(2)")


async def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    with anyio.fail_after(seconds):
        while not holds():
            await anyio.sleep(0.01)


def table(folder: Path) -> list[ProcessInfo]:
    return msgspec.json.decode((folder / "processes.json").read_bytes(), type=list[ProcessInfo])


def test_a_killed_process_comes_back_and_the_table_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            await supervisor.start(ProcessSpec("worker", SLEEPER))
            first = table(tmp_path)[0].pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await eventually(lambda: table(tmp_path)[0].restarts == 1 and table(tmp_path)[0].pid not in (first, None))
            second = table(tmp_path)[0].pid
            await supervisor.stop()
            assert second is not None
            assert not psutil.pid_exists(second)
            assert not (tmp_path / "processes.json").exists()

    anyio.run(main)


def test_stop_kills_what_ignores_the_polite_signal(tmp_path: Path) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            log = tmp_path / "stubborn.log"
            await supervisor.start(ProcessSpec("stubborn", STUBBORN, stop_seconds=0.2))
            await eventually(lambda: log.exists() and "up" in log.read_text())
            pid = table(tmp_path)[0].pid
            await supervisor.stop()
            assert pid is not None
            assert not psutil.pid_exists(pid)

    anyio.run(main)


def test_a_wrong_configuration_is_not_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            await supervisor.start(ProcessSpec("gateway", MISCONFIGURED))
            await eventually(lambda: table(tmp_path)[0].pid is None)
            await supervisor.stop()
            assert (tmp_path / "gateway.log").read_text().count("key x is wrong") == 1

    anyio.run(main)


def test_a_process_that_never_gets_ready_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            log = tmp_path / "slow.log"

            async def never() -> None:
                await eventually(lambda: log.exists() and "up" in log.read_text())
                await anyio.sleep_forever()

            with pytest.raises(FatalError, match=r"slow was not ready after 1 s.*\n.*up"):
                await supervisor.start(ProcessSpec("slow", STUBBORN, ready=never, ready_seconds=1, stop_seconds=0.1))
            await supervisor.stop()

    anyio.run(main)


def test_kill_nine_of_the_supervisor_leaves_nothing_running(tmp_path: Path) -> None:
    script = f"""
import anyio, sys
from pathlib import Path
from iot_edge_anomaly.resilience.supervise import ProcessSpec, Supervisor
async def main():
    async with anyio.create_task_group() as tasks:
        folder = Path({str(tmp_path)!r})
        supervisor = Supervisor(tasks, folder, folder / "processes.json")
        for number in range(3):
            await supervisor.start(ProcessSpec(f"role-{{number}}", {SLEEPER!r}))
        print("ready", flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "ready\n"
        children = [psutil.Process(info.pid) for info in table(tmp_path)]
        assert len(children) == 3
        supervisor.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


def test_a_data_folder_has_one_owner(tmp_path: Path) -> None:
    with (
        sole_owner(tmp_path),
        pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"),
        sole_owner(tmp_path),
    ):
        pass
    with sole_owner(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_process_that_stops_for_good_before_it_is_ready_is_told_at_once(tmp_path: Path) -> None:
    async def never() -> None:
        await anyio.sleep_forever()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            with pytest.raises(FatalError, match=r"stopped at once(.|\n)*key x is wrong"):
                await supervisor.start(ProcessSpec("worker", MISCONFIGURED, ready=never, ready_seconds=3600))
            await supervisor.stop()

    anyio.run(main)


def test_a_process_that_cannot_be_started_does_not_keep_stop_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            await supervisor.start(ProcessSpec("worker", SLEEPER))
            with pytest.raises(FileNotFoundError):
                await supervisor.start(ProcessSpec("gateway", (str(tmp_path / "missing"),)))
            assert [info.role for info in table(tmp_path)] == ["worker"]
            with anyio.fail_after(20):
                await supervisor.stop()

    anyio.run(main)


def test_stop_at_any_moment_of_a_restart_leaves_nothing_running(tmp_path: Path) -> None:
    async def stop_after(turns: int) -> None:
        pids = tmp_path / f"pids-{turns}"
        once = f"echo $$ >> {pids}; test $(wc -l < {pids}) = 1 || exec sleep 3600"
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            await supervisor.start(ProcessSpec("worker", ("/bin/sh", "-c", once)))
            while supervisor.processes()[0].pid is not None:  # each turn of the loop: not one may be missed
                await anyio.lowlevel.checkpoint()
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            with anyio.fail_after(20):
                await supervisor.stop()
        assert [pid for pid in pids.read_text().split() if psutil.pid_exists(int(pid))] == []

    for turns in range(20):
        anyio.run(stop_after, turns)


def test_a_restart_that_fails_is_tried_again(tmp_path: Path) -> None:
    program, away = tmp_path / "program", tmp_path / "away"
    program.write_text("#!/bin/sh\nexec sleep 3600\n")
    program.chmod(0o755)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            await supervisor.start(ProcessSpec("worker", (str(program),)))
            first = table(tmp_path)[0].pid
            assert first is not None
            program.rename(away)
            os.kill(first, signal.SIGKILL)
            await eventually(lambda: supervisor.processes()[0].restarts >= 2)
            away.rename(program)
            await eventually(lambda: table(tmp_path)[0].pid not in (first, None))
            await supervisor.stop()

    anyio.run(main)
