"""Walk through a page of the documentation as a reader does: type its commands, save its files, compare what is said.

What the first line of a fenced block means (a web page shows only its first word, the language):

    ```sh [TERMINAL] [once]     type this in a terminal, by default the one typed in last. `once`: not where it is done
    ```text [TERMINAL] [ctrl-c] this is said, in this order, other lines may stand between; `ctrl-c`: press that before
    ```LANGUAGE FILE            save this as FILE in the folder of the terminal; without FILE there is nothing to do

Commands must end well. One that is followed by what it says may go on meanwhile, and must have ended before the next in
its terminal and at the end of the page. In what is said `...` stands for anything, and numbers may differ; alarms and
addresses (`127.0.0.1:PORT`) may differ too, and are taken from there on as they were said: in later commands, for one.
"""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

PATIENCE_SECONDS = 180.0
LOOK_SECONDS = 0.05
STOP_SECONDS = 30.0

_FENCE = re.compile(r"^```(\S+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TOLD = re.compile(
    r"(?P<alarm>\bA[0-9a-f]{12}\b)|(?P<address>127\.0\.0\.1:\d+)|(?P<any>\.\.\.)|(?P<number>\d[\d.,:]*)|(?P<gap>\s+)"
)
_NUMBER = r"\d[\d.,:]*"
_SHAPES = {"alarm": r"A[0-9a-f]{12}", "address": r"127\.0\.0\.1:\d+", "any": ".*", "number": _NUMBER, "gap": r"\s+"}


class WalkError(AssertionError):
    """The page is wrong: where, and what came instead."""


class Step(NamedTuple):
    """A fenced block: its language, the words behind it, its text, its line, and the heading above it."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int
    heading: str


def steps(page: str) -> list[Step]:
    """Return the blocks of a page in order."""
    found = []
    for block in _FENCE.finditer(page):
        above = page[: block.start()]
        headings = _HEADING.findall(_FENCE.sub("", above))
        found.append(
            Step(block[1], tuple(block[2].split()), block[3], above.count("\n") + 1, headings[-1] if headings else "")
        )
    return found


class Terminal:
    """A shell that keeps its folder and variables from command to command, and ends at the first that fails."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._output = tempfile.TemporaryFile("w+b")  # noqa: SIM115  # closed with the terminal
        self._typed = 0
        self._since = 0
        self._shell = subprocess.Popen(
            ["bash", "--norc", "-e", "-o", "pipefail"],
            cwd=folder,
            env={**environment, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def folder(self) -> Path:
        """Where it is."""
        return Path(f"/proc/{self._shell.pid}/cwd").readlink()

    @property
    def is_idle(self) -> bool:
        """Whether all that was typed has ended well."""
        return self._typed == 0 or self._mark in self._text()

    @property
    def has_failed(self) -> bool:
        """Whether a command ended badly."""
        return self._shell.poll() is not None

    def type(self, commands: str) -> None:
        """Type commands."""
        self._since = os.fstat(self._output.fileno()).st_size
        self._typed += 1
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{{\n{commands}\n}} </dev/null\necho '{self._mark}'\n")
        self._shell.stdin.flush()

    def said(self) -> str:
        """Return what came since the last typing."""
        return self._text().replace(f"{self._mark}\n", "")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        for child in psutil.Process(self._shell.pid).children():
            child.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End it, and what runs in it: first politely."""
        running = [] if self.has_failed else psutil.Process(self._shell.pid).children(recursive=True)
        self._shell.kill()
        self._shell.wait()
        for child in running:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.terminate()
        for child in psutil.wait_procs(running, timeout=STOP_SECONDS)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._output.close()

    @property
    def _mark(self) -> str:
        return f"--- end of {self._typed} ---"

    def _text(self) -> str:
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size - self._since, self._since).decode(errors="replace")


class Walk:
    """A reader of a page. `known` puts what is true here in the place of what the page says."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], known: Mapping[str, str], *, all_once: bool
    ) -> None:
        self._folder, self._environment, self._all_once = folder, environment, all_once
        self._known = dict(known)
        self._terminals: dict[str, Terminal] = {}
        self._last = "first"
        self._unheard: Terminal | None = None
        """Where something was typed of which the page does not say yet what comes of it."""

    def take(self, step: Step) -> None:
        """Do what a block says. Raises WalkError."""
        words = [word for word in step.words if word not in ("once", "ctrl-c")]
        is_told_only = step.language not in ("sh", "text") and not words
        if is_told_only or ("once" in step.words and not self._all_once):
            return
        if step.language in ("sh", "text") and words:
            self._last = words[0]
        terminal = self._terminal(self._last)
        if self._unheard is not None and not (step.language == "text" and self._unheard is terminal):
            self._until_idle(step, self._unheard)
        if step.language == "sh":
            self._until_idle(step, terminal)
            terminal.type(self._as_here(step.text))
            self._unheard = terminal
        elif step.language == "text":
            if "ctrl-c" in step.words:
                terminal.interrupt()
            self._wait(step, terminal, lambda: self._is_said(step, terminal), "this was not said")
            self._unheard = None
        else:
            (terminal.folder / words[0]).write_text(self._as_here(step.text))

    def end(self, last: Step) -> None:
        """See that nothing runs any more."""
        for terminal in self._terminals.values():
            self._until_idle(last, terminal)

    def close(self) -> None:
        """Close all terminals, whatever runs in them."""
        for terminal in reversed(self._terminals.values()):
            terminal.close()

    def _terminal(self, name: str) -> Terminal:
        if name not in self._terminals:
            self._terminals[name] = Terminal(self._folder, self._environment)
        return self._terminals[name]

    def _as_here(self, text: str) -> str:
        for told in sorted(self._known, key=len, reverse=True):
            text = text.replace(told, self._known[told])
        return text

    def _is_said(self, step: Step, terminal: Terminal) -> bool:
        found = said(step.text, terminal.said(), self._known)
        if found is not None:
            self._known |= found
        return found is not None

    def _until_idle(self, step: Step, terminal: Terminal) -> None:
        self._wait(step, terminal, lambda: terminal.is_idle, "what was typed before has not ended")

    def _wait(self, step: Step, terminal: Terminal, holds: Callable[[], bool], trouble: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            failed = terminal.has_failed
            if (failed and not holds()) or time.monotonic() > deadline:
                trouble = "a command failed" if failed else trouble
                raise WalkError(f"line {step.line}: {trouble}:\n{step.text}\nThe terminal shows:\n{terminal.said()}")
            time.sleep(LOOK_SECONDS)


def said(told: str, heard: str, known: Mapping[str, str]) -> dict[str, str] | None:
    """Return what alarms and addresses are called here if all lines that were told of are heard, else None."""
    learned: dict[str, str] = {}
    lines = iter(heard.splitlines())
    for line in filter(str.strip, told.splitlines()):
        pattern, names = _pattern(line.strip(), {**known, **learned})
        match = next((found for one in lines if (found := pattern.search(one))), None)
        if match is None:
            return None
        learned |= {name: match[group] for group, name in names.items()}
    return learned


def _pattern(line: str, known: Mapping[str, str]) -> tuple[re.Pattern[str], dict[str, str]]:
    """Return what finds a line that says the same, and which of its groups is the name of what."""
    names: dict[str, str] = {}

    def shape(part: re.Match[str]) -> str:
        kind = str(part.lastgroup)
        if kind not in ("alarm", "address"):
            return _SHAPES[kind]
        if part[0] in known:
            return re.escape(known[part[0]])
        group = f"name_{len(names)}"
        names[group] = part[0]
        return f"(?P<{group}>{_SHAPES[kind]})"

    pieces, at = [], 0
    for part in _TOLD.finditer(line):
        pieces += [re.escape(line[at : part.start()]), shape(part)]
        at = part.end()
    return re.compile("".join([*pieces, re.escape(line[at:])])), names


def walk(
    page: Path,
    folder: Path,
    environment: Mapping[str, str],
    known: Mapping[str, str] | None = None,
    *,
    all_once: bool = False,
) -> dict[str, float]:
    """Walk through a page in a folder; return how many seconds each section took. Raises WalkError."""
    reader = Walk(folder, environment, known or {}, all_once=all_once)
    seconds: dict[str, float] = {}
    try:
        found = steps(page.read_text(encoding="utf-8"))
        for step in found:
            began = time.monotonic()
            reader.take(step)
            seconds[step.heading] = seconds.get(step.heading, 0.0) + time.monotonic() - began
        reader.end(found[-1])
    finally:
        reader.close()
    return seconds
