"""Fit in a process of its own: a fit that hangs, crashes or wants too much memory takes down that process alone.

What is read from the store goes through a pipe as it is read, so that the trainer never holds a whole range.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.pipeline.settings import AssetRule
from iot_edge_anomaly.resilience.environment import ONE_BLAS_THREAD
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.training.gather import fit

if TYPE_CHECKING:  # each fit starts a process: it does not wait for the client of the bus to be imported
    from iot_edge_anomaly.bus.answers import Message

NUMBER_BYTES = 8


class Bounds(NamedTuple):
    """What a fit may take at most: time, and address space (by default half of what memory this machine has)."""

    seconds: float = 600.0
    memory_bytes: int = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


class Task(msgspec.Struct, frozen=True, array_like=True):
    """What to fit."""

    key: AssetKey
    rules: tuple[AssetRule, ...]
    request: FitRequest


class ExhaustedError(RejectedError):
    """The fit did not end within its bounds: more rows would only take more of both."""


class _Fitted(msgspec.Struct, frozen=True, tag=True):
    model: bytes


class _Refused(msgspec.Struct, frozen=True, tag=True):
    reason: str


class _Exhausted(msgspec.Struct, frozen=True, tag=True):
    reason: str


async def fit_apart(task: Task, messages: "AsyncIterator[Message]", bounds: Bounds) -> bytes:
    """Return the packed model. Raises RejectedError with the reason why there is none, and whatever reading raises.

    The RejectedError is an ExhaustedError where time or memory ran out.
    """
    process = await _start(bounds)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(bounds.seconds):
            await _hand_over(process.stdin, task, messages)
            said = await process.stdout.read()
            code = await process.wait()
    except TimeoutError as error:
        raise ExhaustedError(f"the fit took longer than {bounds.seconds:g} seconds") from error
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return _model(said, code)


async def _start(bounds: Bounds) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "iot_edge_anomaly.training.apart"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **ONE_BLAS_THREAD},
            preexec_fn=partial(_confine, bounds.memory_bytes),
        )
    except OSError as error:
        raise UnavailableError(f"no process can be started to fit in: {error}") from error


def _confine(memory_bytes: int) -> None:
    """Bind the process that is about to begin: to its parent, and to its share of memory. Ctrl-C is for the parent.

    Where the machine runs out of memory all the same, the kernel takes this process first.
    """
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    most = memory_bytes if most == resource.RLIM_INFINITY else min(memory_bytes, most)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


async def _hand_over(pipe: asyncio.StreamWriter, task: Task, messages: "AsyncIterator[Message]") -> None:
    try:
        pipe.write(_frame(0, msgspec.msgpack.encode(task)))
        async for message in messages:
            pipe.write(_frame(message.seq, message.data))
            await pipe.drain()
        pipe.close()
    except ConnectionError:
        pass  # it has ended already; what it said, or how it ended, tells why


def _model(said: bytes, code: int) -> bytes:
    if code < 0:
        raise ExhaustedError(
            f"the process that fitted was ended by {signal.Signals(-code).name}, as for lack of memory"
        )
    if code > 0:
        raise ExhaustedError(f"the process that fitted failed with exit code {code}; the log of the trainer tells more")
    answer = msgspec.msgpack.decode(said, type=_Fitted | _Refused | _Exhausted)
    if isinstance(answer, _Exhausted):
        raise ExhaustedError(answer.reason)
    if isinstance(answer, _Refused):
        raise RejectedError(answer.reason)
    return answer.model


# --- in the process of its own


def main() -> None:
    """Read a task and the stored messages that belong to it, and answer."""
    task = msgspec.msgpack.decode(next(_frames(sys.stdin.buffer))[1], type=Task)
    sys.stdout.buffer.write(msgspec.msgpack.encode(_answer(task, _envelopes(sys.stdin.buffer))))


def _answer(task: Task, envelopes: Iterator[Envelope]) -> _Fitted | _Refused | _Exhausted:
    try:
        return _Fitted(fit(envelopes, task.key, task.rules, task.request))
    except MemoryError:
        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        return _Exhausted(f"the fit needs more than {most >> 20} MB of memory; fewer rows or sensors need less")
    except (ValueError, IotEdgeAnomalyError) as error:
        return _Refused(str(error))


def _envelopes(pipe: BinaryIO) -> Iterator[Envelope]:
    """Yield what can be read; of the rest the worker has told when it came to it."""
    for seq, data in _frames(pipe):
        try:
            yield decode_envelope(data, seq)
        except RejectedError:
            continue


def _frame(seq: int, data: bytes) -> bytes:
    return seq.to_bytes(NUMBER_BYTES) + len(data).to_bytes(NUMBER_BYTES) + data


def _frames(pipe: BinaryIO) -> Iterator[tuple[int, bytes]]:
    while head := pipe.read(2 * NUMBER_BYTES):
        yield int.from_bytes(head[:NUMBER_BYTES]), pipe.read(int.from_bytes(head[NUMBER_BYTES:]))


if __name__ == "__main__":
    main()
