"""Logs stay small under processes that go on writing, and no line is lost by it."""

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from iot_edge_anomaly.resilience.log_file import MOST_LOG_BYTES, LogFile
from iot_edge_anomaly.resilience.supervise import ProcessSpec, Supervisor

TALKER = """
import sys
number = 0
for asked in sys.stdin:
    for number in range(number + 1, number + 1 + int(asked)):
        sys.stderr.write(f"line {number}\\n")
    print("done", flush=True)
"""
FLOOD = f"""
import signal, sys
for _ in range({3 * MOST_LOG_BYTES // 100}):
    sys.stderr.write("x" * 99 + chr(10))
signal.pause()
"""


class Talker:
    """A process that writes so many numbered lines into the log when it is asked to."""

    def __init__(self, log: LogFile) -> None:
        with log.open() as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", TALKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                bufsize=1,
            )

    def say(self, lines: int) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{lines}\n")
        assert self._process.stdout.readline() == "done\n"

    def end(self) -> None:
        self._process.communicate(timeout=20)


def numbers(*paths: Path) -> list[int]:
    return [int(line.removeprefix("line ")) for path in paths for line in path.read_text().splitlines()]


def test_a_process_that_goes_on_writing_loses_no_line(tmp_path: Path) -> None:
    path, former = tmp_path / "worker.log", tmp_path / "worker.log.1"
    log = LogFile(path, most_bytes=1000)
    talker = Talker(log)
    talker.say(50)
    log.put_aside_if_large()
    assert not former.exists(), "it is small"
    talker.say(150)
    log.put_aside_if_large()
    talker.say(7)
    assert numbers(former, path) == list(range(numbers(former)[0], 208))
    assert numbers(path) == list(range(201, 208)), "the process writes at the beginning again"
    assert former.stat().st_size <= 1000
    assert former.stat().st_size > 900, "no more is thrown away than must be"
    talker.say(200)
    log.put_aside_if_large()
    assert numbers(former, path)[-1] == 407
    assert path.stat().st_size == 0
    talker.end()
    assert {found.name for found in tmp_path.iterdir()} == {"worker.log", "worker.log.1"}


def test_the_end_of_a_log_is_told_when_it_was_just_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    log = LogFile(path, most_bytes=100)
    path.write_text("".join(f"line {number}\n" for number in range(40)))
    log.put_aside_if_large()
    with path.open("a") as file:
        file.write("line 40\n")
    assert log.tail(3) == "line 38\nline 39\nline 40"
    assert LogFile(tmp_path / "none.log").tail() == ""


def test_a_log_that_cannot_be_copied_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_text("line 1\n" * 100)
    (tmp_path / "worker.log.1").mkdir()
    with pytest.raises(OSError, match=r"worker.log.1"):
        LogFile(path, most_bytes=100).put_aside_if_large()
    assert path.read_text() == "line 1\n" * 100
    assert not (tmp_path / "worker.log.draft").exists()


def test_the_supervisor_keeps_the_log_of_a_process_that_floods_it_small(tmp_path: Path) -> None:
    path, former = tmp_path / "worker.log", tmp_path / "worker.log.1"

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, tmp_path, tmp_path / "processes.json")
            await supervisor.start(ProcessSpec("worker", (sys.executable, "-c", FLOOD)))
            with anyio.fail_after(60):
                while not former.exists() or path.stat().st_size > MOST_LOG_BYTES:
                    await anyio.sleep(0.05)
            await supervisor.stop()

    anyio.run(main)
    assert former.stat().st_size <= 2 * MOST_LOG_BYTES, "what came while it was copied, at most"
