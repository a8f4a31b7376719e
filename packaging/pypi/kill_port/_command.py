"""The command is started, waited for and interrupted here."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from kill_port import _read
from kill_port._binary import find_binary
from kill_port._types import Obstacle, Report

PATIENCE = 5.0
"""How many seconds an interrupted command has before it is killed. It ends by itself after two."""


class KillPortError(Exception):
    """A port is still held, or would be, or could not be looked at: whenever the command exits with 1, or was interrupted."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report
        """What came of every port that was asked for."""

    def __str__(self) -> str:
        lines = [_line(error) for error in self.report.errors]
        for port in self.report.ports:
            # What would come back is told by a note alone.
            notes = port.notes if port.outcome == "would_come_back" else ()
            lines += [f"port {port.port}: {line}" for line in (*map(_line, port.errors), *notes)]
        return "\n".join(lines) or "the port could not be freed"


def _line(error: Obstacle) -> str:
    return f"{error.message}; {error.help}" if error.help else error.message


def run(arguments: Sequence[str]) -> Report:
    start = _Start(arguments)
    try:
        process = start.wait()
        stdout, stderr = process.communicate()
    except BaseException:
        left = start.give_up()
        if left:
            _interrupt(left)
            try:
                left.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                left.kill()
                left.communicate()
        raise
    return _answer(process.returncode, stdout, stderr)


async def run_async(arguments: Sequence[str]) -> Report:
    """A thread waits for the command: every event loop can do that, and nobody cancels a thread."""
    # Who runs the command alone does without what takes longest to import.
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.get_running_loop()
    start = _Start(arguments)
    try:
        process = start.wait()
        executor = ThreadPoolExecutor(1, thread_name_prefix="kill_port")
        answer = loop.run_in_executor(executor, process.communicate)
        executor.shutdown(wait=False)
    except BaseException:
        if left := start.give_up():
            _interrupt(left)
        raise
    try:
        stdout, stderr = await asyncio.shield(answer)
    except asyncio.CancelledError:
        _interrupt(process)
        patience = loop.call_later(PATIENCE, process.kill)
        while not answer.done():
            try:
                await asyncio.wait([answer])
            except asyncio.CancelledError:
                # It has been told already, and ends soon.
                continue
        patience.cancel()
        raise
    return _answer(process.returncode, stdout, stderr)


class _Start(threading.Thread):
    """Starts the command in a thread of its own: what a signal raises is raised in the main thread, so that it can't come between the start of
    the command and our knowing of it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(name="kill_port")
        self._arguments = arguments
        self._lock = threading.Lock()
        self._is_given_up = False
        self._process: subprocess.Popen[str] | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        with self._lock:
            if not self._is_given_up:
                try:
                    self._process = _start(self._arguments)
                except BaseException as error:
                    self._error = error

    def wait(self) -> subprocess.Popen[str]:
        try:
            self.start()
        except RuntimeError:
            # An interpreter that shuts down starts no thread any more, and hooks of atexit free ports too.
            self.run()
        else:
            self.join()
        if self._process is None:
            raise self._error or RuntimeError("the command was not started")
        return self._process

    def give_up(self) -> subprocess.Popen[str] | None:
        """The command, if it was started. It is not started any more."""
        with self._lock:
            self._is_given_up = True
            return self._process


def _start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    creation = 0
    if sys.platform == "win32":
        # A program with windows has no console, and none should appear.
        creation = subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(
        [find_binary(), "--json", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        creationflags=creation,
    )


def _interrupt(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.terminate()
    # Who is started with SIGINT ignored hands that down, and the command heeds it.
    elif signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        process.send_signal(signal.SIGTERM)
    else:
        process.send_signal(signal.SIGINT)


def _answer(code: int, stdout: str, stderr: str) -> Report:
    if code == 2:
        raise ValueError(stderr.strip().removeprefix("error: "))
    try:
        report = _read.report(stdout)
    except ValueError as error:
        said = stderr.strip() or error
        raise RuntimeError(f"kill_port ended with {code} and without an answer: {said}") from error
    if code != 0:
        raise KillPortError(report)
    return report
