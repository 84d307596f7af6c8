"""One supervisor, many processes: start in order, watch, start again, stop in reverse order. None outlives it."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.abc
import msgspec
import structlog

from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.resilience.log_file import LogFile
from iot_edge_anomaly.resilience.tether import die_with_parent

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 30.0
"""A process that ran this long has recovered: its next restart is immediate again."""

CONFIGURATION_EXIT = 2
"""Exit code of a process that no restart can help."""


@dataclass(frozen=True)
class ProcessSpec:
    """What to run as a role. `ready` returns once the process does its work; it is awaited at the first start only."""

    role: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    port: int | None = None
    ready: Callable[[], Awaitable[None]] | None = None
    ready_seconds: float = 30.0
    stop_seconds: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM


class ProcessInfo(msgspec.Struct, frozen=True):
    """A line of the process table. `pid` is None while the process is down."""

    role: str
    pid: int | None
    port: int | None
    restarts: int
    started_at: float


@dataclass
class _Child:
    spec: ProcessSpec
    log: LogFile
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    started_at: float = 0.0
    stop_asked: anyio.Event = field(default_factory=anyio.Event)
    gone: anyio.Event = field(default_factory=anyio.Event)


class Supervisor:
    """Keeps processes alive inside a task group. Their output goes to `<log_dir>/<role>.log`, which is kept small.

    The process table is written to `table` at every change, for `status` of another process to read.
    """

    def __init__(self, tasks: anyio.abc.TaskGroup, log_dir: Path, table: Path) -> None:
        self._tasks = tasks
        self._log_dir = log_dir
        self._table = table
        self._children: list[_Child] = []
        log_dir.mkdir(parents=True, exist_ok=True)
        table.parent.mkdir(parents=True, exist_ok=True)

    def processes(self) -> list[ProcessInfo]:
        """Return the process table, in order of start."""
        return [
            ProcessInfo(
                child.spec.role,
                child.process.pid if child.process and child.process.returncode is None else None,
                child.spec.port,
                child.restarts,
                child.started_at,
            )
            for child in self._children
        ]

    async def start(self, spec: ProcessSpec) -> None:
        """Start a process and wait until it is ready.

        Raises FatalError with the end of its log when it is not in time, or stopped for good instead; OSError when
        the system starts no process.
        """
        child = _Child(spec, LogFile(self._log_dir / f"{spec.role}.log"))
        await self._spawn(child)
        self._children.append(child)  # not before: for what never ran, stop would wait for ever
        self._write_table()
        self._tasks.start_soon(self._keep, child)
        if spec.ready is None:
            return
        with anyio.move_on_after(spec.ready_seconds) as limit:
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(_cancel_after, child.gone, waiting.cancel_scope)
                await spec.ready()
                waiting.cancel_scope.cancel()
        if child.gone.is_set():
            raise FatalError(f"{spec.role} stopped at once. The end of its log:\n{child.log.tail()}")
        if limit.cancelled_caught:
            raise FatalError(
                f"{spec.role} was not ready after {spec.ready_seconds:.0f} s. The end of its log:\n{child.log.tail()}"
            )

    def send_signal(self, role: str, sig: signal.Signals) -> None:
        """Send a signal to a process that runs; one that ends by it is started again."""
        for child in self._children:
            if child.spec.role == role and child.process is not None and child.process.returncode is None:
                child.process.send_signal(sig)

    async def stop(self) -> None:
        """Stop all processes, last started first; kill what does not stop in its time."""
        for child in reversed(self._children):
            child.stop_asked.set()
            process = child.process
            if process is not None and process.returncode is None:
                process.send_signal(child.spec.stop_signal)
                with anyio.move_on_after(child.spec.stop_seconds):
                    await child.gone.wait()
                if process.returncode is None:
                    log.warning("process killed: it did not stop in time", role=child.spec.role)
                    process.kill()
            await child.gone.wait()
        self._table.unlink(missing_ok=True)

    async def _keep(self, child: _Child) -> None:
        try:
            async with beside(child.log.keep_small()):
                await self._keep_running(child)
        finally:
            child.gone.set()

    async def _keep_running(self, child: _Child) -> None:
        """Start a process again whenever it ended; return when it stopped for good."""
        pause = 0.0
        while True:
            assert child.process is not None
            code = await child.process.wait()
            if child.stop_asked.is_set():
                return
            self._write_table()
            if code == CONFIGURATION_EXIT:
                log.error("process stopped for good", role=child.spec.role, log=child.log.tail())
                return
            if time.monotonic() - child.started_at > STEADY_SECONDS:
                pause = 0.0
            log.warning("process ended; starting it again", role=child.spec.role, code=code, after_seconds=pause)
            await anyio.sleep(pause)
            if child.stop_asked.is_set():
                return
            pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            child.restarts += 1
            await self._spawn_again(child)

    async def _spawn_again(self, child: _Child) -> None:
        """Start a process in the place of one that ended; where that fails, that one stays the last that ended."""
        try:
            process = await self._spawn(child)
        except OSError as error:
            log.warning("process cannot be started", role=child.spec.role, error=str(error))
            return
        self._write_table()
        if child.stop_asked.is_set() and process.returncode is None:  # by one who saw only the process that had ended
            process.kill()

    async def _spawn(self, child: _Child) -> asyncio.subprocess.Process:
        spec = child.spec
        child.started_at = time.monotonic()
        with child.log.open() as output:
            process = await asyncio.create_subprocess_exec(
                *spec.argv,
                env=spec.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        child.process = process
        return process

    def _write_table(self) -> None:
        draft = self._table.with_suffix(".draft")
        try:
            draft.write_bytes(msgspec.json.encode(self.processes()))
            draft.replace(self._table)
        except OSError as error:  # a full disk must not end what keeps the processes alive
            log.warning("the process table cannot be written", error=str(error))


async def _cancel_after(gone: anyio.Event, waiting: anyio.CancelScope) -> None:
    await gone.wait()
    waiting.cancel()
